#include "files.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "target.hpp"

namespace http {

namespace {

/// A descriptor, or a negative errno. A FIFO or device is opened without waiting, and then refused.
int open_beneath(int folder, std::string path, std::uint64_t how_to_resolve) noexcept {
  ::open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | how_to_resolve;
  const long fd = ::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof(how));
  return fd >= 0 ? static_cast<int>(fd) : -errno;
}

int open_beneath_waiting(int folder, std::string path) noexcept { return open_beneath(folder, std::move(path), 0); }

int status_of(int error) noexcept {
  switch (error) {
    case EACCES:
    case EPERM:
    case EXDEV:  // leads outside
    case ELOOP:
      return 403;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return 503;
    case EIO:
      return 500;
    default:
      return 404;
  }
}

bool same_time(const ::timespec& a, const ::timespec& b) noexcept {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}
bool same_file(const struct ::stat& a, const struct ::stat& b) noexcept {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size && same_time(a.st_mtim, b.st_mtim) &&
         same_time(a.st_ctim, b.st_ctim);
}

/// Whether a change right after it was read might not be seen: clocks of file systems have ticks, of up to 2 seconds.
bool is_fresh(const struct ::stat& file) noexcept { return file.st_ctim.tv_sec + 2 >= ::time(nullptr); }

std::string etag_of(const struct ::stat& file) {
  std::array<char, 64> text;
  const int size =
      std::snprintf(text.data(), text.size(), "\"%llx-%llx-%llx\"", static_cast<unsigned long long>(file.st_ino),
                    static_cast<unsigned long long>(file.st_size),
                    static_cast<unsigned long long>(file.st_mtim.tv_sec) * 1'000'000'000u +
                        static_cast<unsigned long long>(file.st_mtim.tv_nsec));
  return std::string(text.data(), static_cast<std::size_t>(size));
}

void describe(Document& document) {
  const struct ::stat& file = document.seen;
  document.meta.size = document.large ? static_cast<std::uint64_t>(file.st_size) : document.content.size();
  document.meta.modified = file.st_mtim.tv_sec;
  document.meta.etag = etag_of(file);
  document.meta.type = type_of(document.path);
  document.fields = "Content-Type: " + std::string(document.meta.type) +
                    "\r\nContent-Length: " + std::to_string(document.meta.size) +
                    "\r\nLast-Modified: " + date_text(document.meta.modified) + "\r\nETag: " + document.meta.etag +
                    "\r\nAccept-Ranges: bytes\r\nX-Content-Type-Options: nosniff\r\n";
}

}  // namespace

Files::Files(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::system_category(), folder);
  folder_ = coil::Fd(fd);
  const int self = open_beneath(fd, ".", 0);
  if (self == -ENOSYS || self == -EPERM) throw std::system_error(-self, std::system_category(), "openat2");
  if (self < 0) throw std::system_error(-self, std::system_category(), folder);
  ::close(self);
}

const Document* Files::find(std::string_view target) {
  const auto found = kept_.find(target);
  if (found == kept_.end()) return nullptr;
  Document& document = *found->second;
  if (document.turn == turn_) return &document;
  struct ::stat now{};
  if (::fstatat(folder_.number(), document.path.c_str(), &now, 0) != 0 || !same_file(document.seen, now)) {
    kept_bytes_ -= document.content.size();
    kept_.erase(found);
    return nullptr;
  }
  count_turns();
  document.turn = turn_;
  return &document;
}

/// What was looked up holds until the loop takes in more.
void Files::count_turns() {
  if (turn_ends_) return;
  turn_ends_ = true;
  end_of_turn_ = coil::get_running_loop().call_soon([this] {
    ++turn_;
    turn_ends_ = false;
  });
}

coil::Coro<int> Files::open_below(std::string path) {
  int fd = open_beneath(folder_.number(), path, RESOLVE_CACHED);
  // EAGAIN: the disk is needed. EINVAL: the kernel does not know the flag.
  if (fd == -EAGAIN || fd == -EINVAL) fd = co_await coil::to_thread(open_beneath_waiting, folder_.number(), path);
  co_return fd;
}

coil::Coro<Found> Files::open(std::string target) {
  Target where = resolve_target(target);
  if (where.status != 0) co_return Found{where.status, {}, {}};
  const bool is_folder = where.path.empty() || where.path.ends_with('/');
  if (is_folder) where.path += "index.html";
  const int fd = co_await open_below(where.path);
  if (fd < 0) co_return Found{status_of(-fd), {}, {}};
  coil::Fd file(fd);

  auto document = std::make_shared<Document>();
  if (::fstat(fd, &document->seen) != 0) co_return Found{500, {}, {}};
  if (S_ISDIR(document->seen.st_mode) && !is_folder) {
    const std::string_view path = path_of(target);
    const std::size_t name = path.find_first_not_of('/');
    co_return Found{301, '/' + std::string(path.substr(name)) + '/', {}};  // one slash: two would name a host
  }
  if (!S_ISREG(document->seen.st_mode)) co_return Found{403, {}, {}};
  document->path = std::move(where.path);
  if (document->seen.st_size > static_cast<off_t>(kept_file_max))
    document->large = std::move(file);
  else if (!co_await read_content(*document, fd))
    co_return Found{500, {}, {}};
  describe(*document);
  if (!document->large && !is_fresh(document->seen)) keep(target, document);
  co_return Found{200, {}, document};
}

coil::Coro<bool> Files::read_content(Document& document, int fd) {
  std::string& content = document.content;
  content.resize(static_cast<std::size_t>(document.seen.st_size));
  std::size_t size = 0;
  try {
    while (size < content.size()) {
      const std::span<std::byte> rest = std::as_writable_bytes(std::span(content)).subspan(size);
      const std::size_t count = co_await coil::read(fd, rest, size);
      if (count == 0) break;  // it has become shorter meanwhile
      size += count;
    }
  } catch (const std::system_error&) {
    co_return false;
  }
  content.resize(size);
  co_return true;
}

void Files::keep(const std::string& target, std::shared_ptr<Document> document) {
  if (kept_.size() >= kept_files_max || kept_bytes_ + document->content.size() > kept_bytes_max) {
    kept_.clear();
    kept_bytes_ = 0;
  }
  const auto [at, is_new] = kept_.try_emplace(target, document);
  if (!is_new) return;  // by another connection, meanwhile
  kept_bytes_ += document->content.size();
}

}  // namespace http
