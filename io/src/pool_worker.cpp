#include "pool_worker.hpp"

#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <exception>
#include <string_view>
#include <typeinfo>
#include <vector>

#include <cxxabi.h>

#include <coil/process_pool.hpp>

#include "child_process.hpp"
#include "fork_child.hpp"
#include "message_socket.hpp"
#include "symbol.hpp"

namespace coil::detail {

namespace {

enum class Answer : char { value, exception };

/// How often code was loaded into this process. A worker does not have what came later than it.
std::uint64_t loads_of_code() {
  std::uint64_t loads = 0;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* result) {
        *static_cast<std::uint64_t*>(result) = info->dlpi_adds;
        return 1;  // all of them say the same
      },
      &loads);
  return loads;
}

// ---- In the worker ---------------------------------------------------------------------------------------

/// Sends and receives messages without a loop.
class BlockingPipe {
public:
  explicit BlockingPipe(int fd) : fd_(fd), buffer_(record_payload_max) {}

  /// Nothing when the other side is gone.
  std::optional<std::string> recv() {
    for (;;) {
      RecordHeader header{};
      Record record(header, std::span<std::byte>(buffer_));
      const ssize_t size = retried([&] { return ::recvmsg(fd_, &record.message(), MSG_CMSG_CLOEXEC); });
      if (size < static_cast<ssize_t>(sizeof header)) return std::nullopt;
      const std::span<const std::byte> payload(buffer_.data(), static_cast<std::size_t>(size) - sizeof header);
      if (assembly_.add(header, payload, record.take_descriptors())) return assembly_.take().bytes;
    }
  }

  bool send(std::string_view message) {
    const std::span<const std::byte> bytes = bytes_of(message);
    RecordHeader header{RecordHeader::Mark::begins, 0, bytes.size()};
    std::size_t sent = 0;
    do {
      const std::span<const std::byte> payload = next_payload(bytes, sent, payload_max_of(fd_));
      Record record(header, payload);
      if (retried([&] { return ::sendmsg(fd_, &record.message(), MSG_NOSIGNAL); }) < 0) return false;
      sent += payload.size();
      header.mark = RecordHeader::Mark::goes_on;
    } while (sent != bytes.size());
    return true;
  }

private:
  template <class F>
  static ssize_t retried(F call) {
    ssize_t result = 0;
    do {
      result = call();
    } while (result < 0 && errno == EINTR);
    return result;
  }

  int fd_;
  std::vector<std::byte> buffer_;
  MessageAssembly assembly_;
};

std::string exception_answer(std::string_view type, std::string_view text) {
  std::string answer(1, static_cast<char>(Answer::exception));
  put_text(answer, type);
  put_text(answer, text);
  return answer;
}

std::string answer_to(std::string_view request) {
  try {
    std::string answer(1, static_cast<char>(Answer::value));
    const auto function = value_from<JobFunction>(request.data());
    JobReader job(request.substr(sizeof function));
    function(job, answer);
    if (answer.size() <= MessagePipe::message_size_max) return answer;
    return exception_answer("std::length_error", "the result is larger than a message may be");
  } catch (const std::exception& error) {
    return exception_answer(type_name(typeid(error)), error.what());
  } catch (const CancelledError& error) {
    return exception_answer("coil::CancelledError", error.message());
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return exception_answer(type == nullptr ? "" : type_name(*type), "an exception that is no std::exception");
  }
}

/// Takes jobs until the parent is gone.
class WorkerJob final : public ForkJob {
public:
  explicit WorkerJob(int fd) noexcept : fd_(fd), parent_(::getpid()) {}

  int run() noexcept override {
    leave_parent();
    BlockingPipe pipe(fd_);
    while (const std::optional<std::string> request = pipe.recv()) {
      const std::string answer = answer_to(*request);
      std::fflush(nullptr);
      if (!pipe.send(answer)) break;
    }
    return 0;
  }

private:
  // A connection of the parent's is not to stay open because a worker has it, too. Ctrl-C is the parent's affair.
  void leave_parent() const noexcept {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent_) ::_exit(1);
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(nothing, STDIN_FILENO);
    const auto kept = static_cast<unsigned>(fd_);
    if (kept > STDERR_FILENO + 1) ::close_range(STDERR_FILENO + 1, kept - 1, 0);
    ::close_range(kept + 1, UINT_MAX, 0);
    ::signal(SIGINT, SIG_IGN);
  }

  int fd_;
  pid_t parent_;
};

}  // namespace

// ---- In this process -------------------------------------------------------------------------------------

std::unique_ptr<PoolWorker> PoolWorker::start() {
  auto ends = MessagePipe::pair();
  ends.first.keep_private();
  WorkerJob job(ends.second.fd());
  Process process = ChildAccess::process(fork_child(job, ends.second.fd(), ends.first.fd(), Command::grace_default));
  return std::make_unique<PoolWorker>(std::move(process), std::move(ends.first), loads_of_code());
}

bool PoolWorker::is_fit() const { return !process_.returncode() && loads_of_code_ == loads_of_code(); }

void put_text(std::string& bytes, std::string_view text) {
  const std::uint64_t size = text.size();
  bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
  bytes.append(text);
}

std::string JobReader::take_text() {
  const auto size = value_from<std::uint64_t>(take_bytes(sizeof(std::uint64_t)).data());
  return std::string(take_bytes(size));
}

std::string_view JobReader::take_bytes(std::size_t size) {
  if (size > rest_.size()) throw std::runtime_error("coil: a message between a pool and its worker is too short");
  const std::string_view bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return bytes;
}

std::string take_answer(const std::string& answer) {
  JobReader reader(answer);
  if (reader.take<Answer>() == Answer::value) return answer.substr(sizeof(Answer));
  std::string type = reader.take<std::string>();
  const std::string text = reader.take<std::string>();
  throw RemoteError(std::move(type), text);
}

}  // namespace coil::detail
