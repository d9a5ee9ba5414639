#include <coil/error.hpp>

#include <cstdio>
#include <cstdlib>
#include <typeinfo>

#include <coil/coro.hpp>
#include <coil/detail/check.hpp>
#include <coil/detail/promise.hpp>
#include "symbol.hpp"

namespace coil::detail {

namespace {

template <class Exception>
bool is_a(const std::exception_ptr& exception) noexcept {
  const std::type_info* type = exception ? exception.__cxa_exception_type() : nullptr;
  return type != nullptr && *type == typeid(Exception);
}

}  // namespace

bool is_cancelled_error(const std::exception_ptr& exception) noexcept { return is_a<CancelledError>(exception); }
bool is_generator_exit(const std::exception_ptr& exception) noexcept { return is_a<GeneratorExit>(exception); }

void throw_logic_error(const char* what) { throw std::logic_error(what); }
void throw_invalid_argument(const char* what) { throw std::invalid_argument(what); }
void throw_invalid_state(const char* what) { throw InvalidStateError(what); }
void throw_timeout() { throw TimeoutError(); }
void throw_no_running_loop() { throw std::logic_error("no running event loop"); }
void throw_coro_consumed() {
  throw std::logic_error("coil: this Coro was already awaited, made a task or moved from; call the coroutine again");
}

void fail(const char* sentence, std::source_location where) noexcept {
  std::fprintf(stderr, "coil: %s (%s:%u)\n", sentence, where.file_name(), where.line());
  std::abort();
}

void fail_gcc_106188(const std::source_location& where) noexcept {
  std::fprintf(stderr,
               "coil: g++ 12 laid out the frame of coroutine '%s' (%s:%u) wrongly (GCC PR 106188): its outermost "
               "block has no local variable and awaits inside an if, while or switch condition; write "
               "`auto value = co_await ...; if (value)`\n",
               function_name(where).c_str(), where.file_name(), where.line());
  std::abort();
}

}  // namespace coil::detail
