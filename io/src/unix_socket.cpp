#include <coil/unix_socket.hpp>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace coil {

namespace {

constexpr std::size_t whole_max = 4096;  // is sent whole or not at all
constexpr std::size_t control_size = CMSG_SPACE(UnixStream::fds_max * sizeof(int));

[[noreturn]] void throw_errno(const char* call, const Endpoint& endpoint) {
  throw std::system_error(errno, std::system_category(), std::string(call) + "(" + endpoint.to_string() + ")");
}

bool has_path(const Endpoint& endpoint) noexcept { return !endpoint.is_abstract() && endpoint.size() > 2; }

/// Whether a socket is at the path, but nobody listens on it.
bool is_abandoned(const Endpoint& endpoint) {
  struct stat found{};
  if (::lstat(endpoint.host().c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) return false;
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const bool refused = ::connect(probe, endpoint.address(), endpoint.size()) != 0 && errno == ECONNREFUSED;
  ::close(probe);
  return refused;
}

Fd listening_socket(const Endpoint& endpoint, const ListenOptions& options) {
  Fd fd = detail::make_socket(AF_UNIX, SOCK_STREAM);
  // The mode of the socket is that of the path, from the moment on at which that appears.
  if (options.mode != 0 && ::fchmod(fd.number(), options.mode) != 0) throw_errno("fchmod", endpoint);
  int bound = ::bind(fd.number(), endpoint.address(), endpoint.size());
  if (bound != 0 && errno == EADDRINUSE && has_path(endpoint)) {
    if (is_abandoned(endpoint)) ::unlink(endpoint.host().c_str());
    bound = ::bind(fd.number(), endpoint.address(), endpoint.size());
  }
  if (bound != 0) throw_errno("bind", endpoint);
  if (::listen(fd.number(), options.backlog) != 0) throw_errno("listen", endpoint);
  return fd;
}

/// Takes over the descriptors in a message.
std::vector<Fd> take_fds(::msghdr& message) {
  std::vector<int> numbers;
  for (::cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    numbers.resize((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));  // there is one such header
    std::memcpy(numbers.data(), CMSG_DATA(header), numbers.size() * sizeof(int));
  }
  std::vector<Fd> fds;
  fds.reserve(numbers.size());
  for (const int number : numbers) fds.emplace_back(number);
  return fds;
}

// These two keep the descriptor, not the stream, which may go meanwhile.
Coro<void> send_with_fds(detail::KeptFd fd, std::span<const std::byte> data, std::span<const int> fds) {
  alignas(::cmsghdr) char control[control_size] = {};
  ::iovec piece{const_cast<std::byte*>(data.data()), std::min(data.size(), whole_max)};
  ::msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    ::cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  const std::size_t sent = co_await coil::sendmsg(fd, message);
  co_await coil::send_all(fd, data.subspan(sent));
}

Coro<UnixStream::Message> receive_with_fds(detail::KeptFd fd, std::span<std::byte> buffer) {
  alignas(::cmsghdr) char control[control_size] = {};
  ::iovec piece{buffer.data(), buffer.size()};
  ::msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const std::size_t size = co_await coil::recvmsg(fd, message);
  std::vector<Fd> fds = take_fds(message);
  co_return UnixStream::Message(size, std::move(fds), (message.msg_flags & MSG_CTRUNC) != 0);
}

}  // namespace

// ---- UnixStream ------------------------------------------------------------------------------------------

Coro<UnixStream> UnixStream::connect(Endpoint endpoint) {
  Fd fd = detail::make_socket(AF_UNIX, SOCK_STREAM);
  co_await coil::connect(fd, endpoint);
  co_return UnixStream(std::move(fd));
}

std::pair<UnixStream, UnixStream> UnixStream::pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw std::system_error(errno, std::system_category(), "socketpair");
  Fd first(ends[0]);
  return {UnixStream(std::move(first)), UnixStream(Fd(ends[1]))};
}

UnixStream::Credentials UnixStream::peer_credentials() const {
  ::ucred found{};
  ::socklen_t size = sizeof found;
  if (::getsockopt(fd(), SOL_SOCKET, SO_PEERCRED, &found, &size) != 0)
    throw std::system_error(errno, std::system_category(), "SO_PEERCRED");
  return {found.pid, found.uid, found.gid};
}

Coro<void> UnixStream::write_with_fds(std::span<const std::byte> data, std::span<const int> fds) {
  if (data.empty() || fds.size() > fds_max)
    throw std::invalid_argument("coil: UnixStream::write_with_fds() of no byte, or of more than 253 descriptors");
  return send_with_fds(descriptor(), data, fds);
}
Coro<void> UnixStream::write_with_fds(std::string_view text, std::span<const int> fds) {
  return write_with_fds(detail::bytes_of(text), fds);
}

Coro<UnixStream::Message> UnixStream::read_with_fds(std::span<std::byte> buffer) {
  return receive_with_fds(descriptor(), buffer);
}

// ---- UnixListener ----------------------------------------------------------------------------------------

UnixListener::UnixListener(const Endpoint& endpoint, const ListenOptions& options)
    : ListenSocket(listening_socket(endpoint, options), endpoint, options.one_at_a_time) {
  if (!has_path(endpoint)) {
    endpoint_ = detail::sock_name(fd_.number());  // a name that the kernel has chosen
    return;
  }
  struct stat found{};
  if (::lstat(endpoint.host().c_str(), &found) != 0) return;
  path_ = endpoint.host();
  device_ = found.st_dev;
  inode_ = found.st_ino;
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : ListenSocket(std::move(other)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

UnixListener& UnixListener::operator=(UnixListener&& other) noexcept {
  if (this == &other) return *this;
  remove_path();
  ListenSocket::operator=(std::move(other));
  path_ = std::exchange(other.path_, {});
  device_ = other.device_;
  inode_ = other.inode_;
  return *this;
}

void UnixListener::remove_path() noexcept {
  struct stat found{};
  if (!path_.empty() && ::lstat(path_.c_str(), &found) == 0 && found.st_dev == device_ && found.st_ino == inode_)
    ::unlink(path_.c_str());
  path_.clear();
}

Coro<void> UnixListener::close() {
  remove_path();
  if (acceptor_) acceptor_->drop_ready();
  co_await fd_.close();
}

}  // namespace coil
