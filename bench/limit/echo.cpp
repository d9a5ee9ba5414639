// Sends back what it gets, on a ring and without coroutines: each receive goes on by itself and takes its buffers from
// the kernel's ring of them, and what came is sent out of the same buffer.
#include <liburing.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>

#include "../echo/listen.hpp"

namespace {

constexpr unsigned buffer_size = 16384;
constexpr unsigned buffer_count = 256;
constexpr unsigned queue_size = 4096;
constexpr unsigned batch_max = 512;
constexpr std::size_t large_page = std::size_t{2} << 20;

enum class Kind : std::uint32_t { accept, receive, send };

/// A buffer with something to be sent in it.
struct Piece {
  std::uint16_t buffer;
  unsigned size;
};

struct Connection {
  std::deque<Piece> to_send;  // the first one is being sent
  unsigned sent = 0;          // of the first one
  bool receiving = false;
};

class Server {
public:
  Server() {
    io_uring_params params{};
    params.flags =
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
    params.cq_entries = 4 * queue_size;
    if (io_uring_queue_init_params(queue_size, &ring_, &params) != 0) echo::fail("io_uring_queue_init");
    io_uring_register_ring_fd(&ring_);
    void* const shared = std::aligned_alloc(4096, buffer_count * sizeof(io_uring_buf));
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uintptr_t>(shared);
    registration.ring_entries = buffer_count;
    if (io_uring_register_buf_ring(&ring_, &registration, 0) != 0) echo::fail("io_uring_register_buf_ring");
    buffers_ = static_cast<io_uring_buf_ring*>(shared);
    io_uring_buf_ring_init(buffers_);
    // Large pages: the buffers go round, and ask for many entries of the processor's table.
    constexpr std::size_t size = std::size_t{buffer_size} * buffer_count;
    memory_ = static_cast<char*>(std::aligned_alloc(large_page, size));
    ::madvise(memory_, size, MADV_HUGEPAGE);
    std::memset(memory_, 0, size);
    for (unsigned i = 0; i < buffer_count; ++i) give_back(static_cast<std::uint16_t>(i));
  }

  void run() {
    accept();
    for (;;) {
      io_uring_submit_and_wait(&ring_, 1);
      io_uring_cqe* done[batch_max];
      const unsigned count = io_uring_peek_batch_cqe(&ring_, done, batch_max);
      for (unsigned i = 0; i < count; ++i) handle(*done[i]);
      io_uring_cq_advance(&ring_, count);
    }
  }

private:
  io_uring_sqe& next() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    while (sqe == nullptr) {
      io_uring_submit(&ring_);
      sqe = io_uring_get_sqe(&ring_);
    }
    return *sqe;
  }
  static void mark(io_uring_sqe& sqe, Kind kind, int fd) {
    io_uring_sqe_set_data64(&sqe, static_cast<std::uint64_t>(kind) << 32 | static_cast<std::uint32_t>(fd));
  }
  void accept() {
    io_uring_sqe& sqe = next();
    io_uring_prep_multishot_accept(&sqe, listener_, nullptr, nullptr, 0);
    mark(sqe, Kind::accept, listener_);
  }
  void receive(int fd) {
    io_uring_sqe& sqe = next();
    io_uring_prep_recv_multishot(&sqe, fd, nullptr, 0, 0);
    sqe.flags |= IOSQE_BUFFER_SELECT;
    sqe.buf_group = 0;
    mark(sqe, Kind::receive, fd);
    connections_[static_cast<std::size_t>(fd)].receiving = true;
  }
  void send_first(int fd) {
    const Connection& connection = connections_[static_cast<std::size_t>(fd)];
    const Piece piece = connection.to_send.front();
    io_uring_sqe& sqe = next();
    io_uring_prep_send(&sqe, fd, at(piece.buffer) + connection.sent, piece.size - connection.sent, MSG_NOSIGNAL);
    mark(sqe, Kind::send, fd);
  }
  char* at(std::uint16_t buffer) { return memory_ + std::size_t{buffer} * buffer_size; }
  void give_back(std::uint16_t buffer) {
    io_uring_buf_ring_add(buffers_, at(buffer), buffer_size, buffer, io_uring_buf_ring_mask(buffer_count), 0);
    io_uring_buf_ring_advance(buffers_, 1);
  }

  void handle(const io_uring_cqe& cqe) {
    const int fd = static_cast<int>(static_cast<std::uint32_t>(cqe.user_data));
    switch (static_cast<Kind>(cqe.user_data >> 32)) {
      case Kind::accept:
        return accepted(cqe);
      case Kind::receive:
        return received(fd, cqe);
      case Kind::send:
        return sent(fd, cqe.res);
    }
  }
  void accepted(const io_uring_cqe& cqe) {
    if ((cqe.flags & IORING_CQE_F_MORE) == 0) accept();
    if (cqe.res < 0) return;
    const auto index = static_cast<std::size_t>(cqe.res);
    if (index >= connections_.size()) connections_.resize(index + 1);
    receive(cqe.res);
  }
  void received(int fd, const io_uring_cqe& cqe) {
    Connection& connection = connections_[static_cast<std::size_t>(fd)];
    if (cqe.res > 0) {
      const auto buffer = static_cast<std::uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
      connection.to_send.push_back({buffer, static_cast<unsigned>(cqe.res)});
      if (connection.to_send.size() == 1) send_first(fd);
    }
    if ((cqe.flags & IORING_CQE_F_MORE) != 0) return;
    connection.receiving = false;
    if (cqe.res > 0 || cqe.res == -ENOBUFS)
      receive(fd);
    else
      close_if_done(fd);
  }
  void sent(int fd, int result) {
    Connection& connection = connections_[static_cast<std::size_t>(fd)];
    connection.sent += static_cast<unsigned>(std::max(result, 0));
    const Piece first = connection.to_send.front();
    if (result <= 0 || connection.sent == first.size) {
      give_back(first.buffer);
      connection.to_send.pop_front();
      connection.sent = 0;
    }
    if (!connection.to_send.empty())
      send_first(fd);
    else
      close_if_done(fd);
  }
  void close_if_done(int fd) {
    const Connection& connection = connections_[static_cast<std::size_t>(fd)];
    if (!connection.receiving && connection.to_send.empty()) ::close(fd);
  }

  int listener_ = echo::listen_and_say(SOCK_STREAM);
  io_uring ring_{};
  io_uring_buf_ring* buffers_ = nullptr;
  char* memory_ = nullptr;
  std::vector<Connection> connections_;  // by descriptor
};

}  // namespace

int main() { (new Server)->run(); }
