// Random reads and a copy on a ring by hand, without coroutines.
#include <liburing.h>

#include "../files/files.hpp"

namespace {

class Ring {
public:
  explicit Ring(unsigned size) {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    if (io_uring_queue_init_params(size, &ring_, &params) != 0) files::fail("io_uring_queue_init");
    io_uring_register_ring_fd(&ring_);
  }
  Ring(const Ring&) = delete;
  ~Ring() { io_uring_queue_exit(&ring_); }

  void read(int fd, char* buffer, std::size_t size, std::uint64_t offset, std::uint64_t tag) {
    io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
    io_uring_prep_read(sqe, fd, buffer, static_cast<unsigned>(size), offset);
    sqe->user_data = tag;
  }
  void write(int fd, const char* buffer, std::size_t size, std::uint64_t offset) {
    io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
    io_uring_prep_write(sqe, fd, buffer, static_cast<unsigned>(size), offset);
    sqe->user_data = 0;
  }
  /// Submits, waits for one at the least, and calls `done(tag, result)` for each that has ended.
  template <class Done>
  void turn(Done done) {
    io_uring_submit_and_wait(&ring_, 1);
    io_uring_cqe* cqe = nullptr;
    unsigned head = 0;
    unsigned count = 0;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      ++count;
      done(cqe->user_data, cqe->res);
    }
    io_uring_cq_advance(&ring_, count);
  }
  /// Waits for the only one that is under way. Returns its result.
  std::size_t result() {
    int value = 0;
    turn([&](std::uint64_t, int result) { value = result; });
    if (value < 0) {
      errno = -value;
      files::fail("the ring");
    }
    return static_cast<std::size_t>(value);
  }

private:
  io_uring ring_{};
};

void read_all(const files::Reading& work) {
  Ring ring(static_cast<unsigned>(work.depth < 8 ? 8 : work.depth));
  files::Offsets offsets(work.size);
  files::Buffers buffers(files::block * static_cast<std::size_t>(work.depth));
  long to_start = work.count;
  long under_way = 0;
  const auto start = [&](std::uint64_t index) {
    ring.read(work.fd, buffers.at(index * files::block), files::block, offsets.next(), index);
    --to_start;
    ++under_way;
  };
  for (long i = 0; i < work.depth; ++i) start(static_cast<std::uint64_t>(i));
  while (under_way > 0) {
    ring.turn([&](std::uint64_t index, int result) {
      if (result != static_cast<int>(files::block)) std::abort();
      --under_way;
      if (to_start > 0) start(index);
    });
  }
}

void copy_all(int from, int to) {
  Ring ring(8);
  files::Buffers buffer(files::piece);
  for (std::uint64_t offset = 0;;) {
    ring.read(from, buffer.at(0), files::piece, offset, 0);
    const std::size_t size = ring.result();
    if (size == 0) return;
    for (std::size_t written = 0; written < size;) {
      ring.write(to, buffer.at(written), size - written, offset + written);
      written += ring.result();
    }
    offset += size;
  }
}

}  // namespace

int main(int argc, char** argv) { return files::run(argc, argv, read_all, copy_all); }
