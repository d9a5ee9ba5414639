// The append-only file on the disk.
#pragma once
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "../support.hpp"
#include "log.hpp"
#include "service.hpp"

namespace kv {

using namespace std::chrono_literals;

/// What the service logs goes here, in one write for all connections of a turn; synced every second.
class LogFile {
public:
  /// Opens or makes the file, and carries out what is in it. Errors: `std::exception` that names the file.
  LogFile(std::string path, Service& service) : path_(std::move(path)), service_(service), fd_(open_file(path_)) {
    load();
    service_.logging = true;
  }
  LogFile(const LogFile&) = delete;

  /// Waits until all that the service has logged by now is in the file. False if it cannot be written: said on stderr,
  /// and tried again every second; commands that would change something are refused until then.
  coil::Coro<bool> written() {
    const std::shared_ptr<Round> round = round_;
    pending_.set();
    co_await round->done.wait();
    co_return round->kept;
  }
  /// The same without waiting.
  void write_soon() { pending_.set(); }

  coil::Coro<void> write_loop() {
    while (!stopping_ || service_.log.size() != 0) {
      if (!stopping_) co_await pending_.wait();
      pending_.clear();
      if (service_.log.size() == 0) {
        round_->done.set();  // nothing is missing
        round_ = std::make_shared<Round>();
        continue;
      }
      Output batch = std::exchange(service_.log, Output(SIZE_MAX));
      const auto round = std::exchange(round_, std::make_shared<Round>());
      co_await put(batch, *round);
      round->done.set();
      unsynced_.set();
    }
  }
  coil::Coro<void> sync_loop() {
    for (;;) {
      co_await unsynced_.wait();
      co_await coil::sleep(1s);
      co_await sync();
    }
  }
  /// Ends `write_loop`; afterwards the file is to be synced once more.
  void stop() {
    stopping_ = true;
    pending_.set();
  }
  coil::Coro<void> sync() {
    unsynced_.clear();
    const auto synced = co_await coil::as_result(coil::fdatasync(fd_.fd));
    if (!synced.has_value() && !synced.cancelled()) say("cannot be synced: " + reason(synced.exception()));
  }

private:
  struct Round {
    coil::Event done;
    bool kept = true;
  };

  static int open_file(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    if (fd < 0) example::refuse(path, errno);
    return fd;
  }
  [[noreturn]] void refuse(const std::string& why) const { throw std::runtime_error(path_ + ": " + why); }
  void say(const std::string& what) const { fmt::print(stderr, "{}: {}\n", path_, what); }

  /// A server that was killed lets go of the file a moment later, when the kernel has ended what its ring had under way.
  bool lock() const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
    while (::flock(fd_.fd, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK || std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }

  void load() {
    struct ::stat status{};
    if (::fstat(fd_.fd, &status) != 0) example::refuse(path_, errno);
    if (!S_ISREG(status.st_mode)) refuse("is no regular file");
    if (!lock()) refuse("is in use by another process");
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) return sync_folder();
    void* bytes = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd_.fd, 0);
    if (bytes == MAP_FAILED) example::refuse(path_, errno);
    ::madvise(bytes, size_, MADV_SEQUENTIAL);
    const auto unmap = [size = size_](void* at) { ::munmap(at, size); };
    const std::unique_ptr<void, decltype(unmap)> mapped(bytes, unmap);
    replay(LogReader({static_cast<const char*>(bytes), size_}));
  }

  void replay(LogReader reader) {
    for (;;) {
      const LogReader::Result result = reader.next();
      if (result == LogReader::Result::end) return;
      if (result == LogReader::Result::torn) return cut_off(reader.begin());
      if (result == LogReader::Result::foreign)
        refuse(fmt::format("is no append-only file, or damaged: what is at byte {} is no record", reader.begin()));
      if (!service_.replay(reader.record()))
        refuse(fmt::format("the record at byte {} is none of this server's", reader.begin()));
    }
  }
  void cut_off(std::size_t begin) {
    if (::ftruncate(fd_.fd, static_cast<::off_t>(begin)) != 0) example::refuse(path_, errno);
    say(fmt::format("the last record is incomplete; its {} bytes are cut off", size_ - begin));
    size_ = begin;
  }
  /// A new file is there after a crash only if its folder was synced.
  void sync_folder() const {
    const std::string folder = path_.substr(0, path_.rfind('/') + 1);
    const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    const example::Open opened(fd);
    ::fsync(fd);
  }

  /// Writes all of it, however long that takes. Who waits is told at the first failure.
  coil::Coro<void> put(Output& batch, Round& round) {
    while (batch.size() != 0) {
      const std::string_view part = batch.front(1 << 20);
      const auto result = co_await coil::as_result(coil::write(fd_.fd, coil::detail::bytes_of(part), size_));
      if (result.has_value()) {
        size_ += result.value();
        batch.skip(result.value());
        continue;
      }
      if (result.cancelled() || stopping_) co_return;
      const bool said = !service_.log_broken.empty();
      service_.log_broken = reason(result.exception());
      if (!said) say("cannot be written: " + service_.log_broken);
      for (Round* failed : {&round, round_.get()}) {
        failed->kept = false;
        failed->done.set();
      }
      round_ = std::make_shared<Round>();
      co_await coil::sleep(1s);
    }
    if (!service_.log_broken.empty()) say("can be written again");
    service_.log_broken.clear();
  }
  static std::string reason(std::exception_ptr error) {
    try {
      std::rethrow_exception(std::move(error));
    } catch (const std::system_error& failure) {
      return failure.code().message();
    } catch (...) {
      return "unknown";
    }
  }

  std::string path_;
  Service& service_;
  example::Open fd_;
  std::size_t size_ = 0;                                      // of what is whole in it
  std::shared_ptr<Round> round_ = std::make_shared<Round>();  // of those who wait for what is in service_.log
  coil::Event pending_, unsynced_;
  bool stopping_ = false;
};

}  // namespace kv
