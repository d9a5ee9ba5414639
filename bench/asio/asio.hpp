// How the programs on Boost.Asio see it: one thread, a concrete executor, awaitables of it. BOOST_ASIO_DISABLE_THREADS
// is on the command line: without it each figure is up to twice as large.
#pragma once
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <boost/asio.hpp>
#include <boost/asio/experimental/channel.hpp>
#pragma GCC diagnostic pop

namespace asio = boost::asio;

using Executor = asio::io_context::executor_type;
template <class T>
using Awaitable = asio::awaitable<T, Executor>;
using Token = asio::use_awaitable_t<Executor>;
inline constexpr Token use_awaitable{};
