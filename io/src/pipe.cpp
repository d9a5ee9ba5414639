#include <coil/pipe.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace coil {

Pipe::Pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category(), "pipe");
  try {
    reader_ = Fd(ends[0]);
  } catch (...) {
    ::close(ends[1]);
    throw;
  }
  writer_ = Fd(ends[1]);
}

// Given up first, so that both are closed even if the waiting is cancelled.
Coro<void> Pipe::close() {
  Fd::CloseOperation closing_reader = reader_.close();
  Fd::CloseOperation closing_writer = writer_.close();
  closing_reader.begin();
  closing_writer.begin();
  co_await closing_reader;
  co_await closing_writer;
}

}  // namespace coil
