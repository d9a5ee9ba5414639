// Stream::read_until, read_exactly and read against a string, whatever the pieces in which the text comes.
#include <coil/coil.hpp>
#include <coil/memory_stream.hpp>

#include <coil/detail/check.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "input.hpp"

using coil::Coro;
using coil::detail::check;

namespace {

// Reads the text with the calls that the input asks for, and compares.
Coro<void> read_text(coil::Stream& stream, std::string text, std::string separator, std::size_t limit,
                     coil_fuzz::Input& input) {
  while (!input.empty()) {
    std::string got;
    switch (input.byte() % 3) {
      case 0: {
        const std::size_t found = text.find(separator);
        const bool ends = found == text.npos;
        bool overran = false;
        bool incomplete = false;
        try {
          got = co_await stream.read_until(separator);
        } catch (const coil::LimitOverrunError&) {
          overran = true;
        } catch (const coil::IncompleteReadError& error) {
          incomplete = true;
          got = error.partial();
        }
        if (overran) {
          check(ends ? text.size() > limit : found > limit, "only what is too long overruns the limit");
          co_return;
        }
        check(incomplete == ends, "the text ends without a separator or not");
        check(ends ? got == text : got == text.substr(0, found + separator.size()), "up to the separator");
        break;
      }
      case 1: {
        const std::size_t size = input.byte();
        bool incomplete = false;
        try {
          got = co_await stream.read_exactly(size);
        } catch (const coil::IncompleteReadError& error) {
          incomplete = true;
          got = error.partial();
        }
        check(incomplete == (text.size() < size), "there is enough or not");
        check(got == text.substr(0, size), "exactly so much, or the rest");
        break;
      }
      default: {
        const std::size_t size = input.byte() + 1U;
        got = co_await stream.read(size);
        check(got.size() <= size && got.empty() == text.empty(), "something, as long as there is any");
        check(got == text.substr(0, got.size()), "the beginning");
      }
    }
    text.erase(0, got.size());
  }
}

Coro<void> write_text(coil::Stream& stream, std::string text) {
  co_await stream.write_all(text);
  stream.write_eof();
}

Coro<void> converse(coil_fuzz::Input& input) {
  const std::uint8_t pieces = input.byte();
  std::string separator = input.text(1 + input.byte() % 3U);
  if (separator.empty()) separator = "\n";
  const std::string text = input.text(input.byte());
  coil::testing::MemoryStreamOptions options{.capacity = 1 + input.byte() % 64U, .piece_max = 1 + pieces % 16U};
  options.seed = pieces / 16;
  options.stream.limit = 1 + input.byte();
  auto ends = coil::testing::memory_streams(options);
  auto writing = coil::create_task(write_text(ends.first, text));
  co_await read_text(ends.second, text, separator, options.stream.limit, input);
  writing.cancel();
  const auto outcome = co_await coil::as_result(writing);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static coil::Runner runner({.clock = coil::Clock::virtual_});
  coil_fuzz::Input input(data, size);
  runner.run(converse(input));
  return 0;
}
