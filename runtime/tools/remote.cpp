#include "remote.hpp"

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

namespace coil_ps {

namespace {

constexpr std::size_t text_max = 4096;

std::string process(pid_t pid) { return "process " + std::to_string(pid); }

[[noreturn]] void fail(pid_t pid, int error) {
  if (error == ESRCH) throw Failure("there is no " + process(pid));
  if (error == EPERM)
    throw Failure("may not look into " + process(pid) +
                  ": be its owner or root, and see kernel.yama.ptrace_scope; nobody else may trace it meanwhile");
  throw Failure(process(pid) + ": " + std::strerror(error));
}

/// An ELF file, as far as it has to be known.
class Program {
public:
  explicit Program(const std::string& path) : file_(path, std::ios::binary) {
    header_ = at<Elf64_Ehdr>(0);
    if (header_ && (std::memcmp(header_->e_ident, ELFMAG, SELFMAG) != 0 || header_->e_ident[EI_CLASS] != ELFCLASS64))
      header_.reset();
  }

  /// Where it would lie if the program were loaded at 0.
  std::optional<Address> section(const std::string& name) {
    if (!header_) return {};
    const auto section_at = [&](unsigned number) {
      return at<Elf64_Shdr>(header_->e_shoff + std::uint64_t{number} * header_->e_shentsize);
    };
    const auto names = section_at(header_->e_shstrndx);
    for (unsigned number = 0; names && number < header_->e_shnum; ++number) {
      const auto one = section_at(number);
      if (!one) return {};
      std::string its_name(name.size() + 1, '\0');
      file_.seekg(static_cast<std::streamoff>(names->sh_offset + one->sh_name));
      file_.read(its_name.data(), static_cast<std::streamsize>(its_name.size()));
      if (file_ && its_name.c_str() == name && its_name.back() == '\0') return one->sh_addr - first_address();
      file_.clear();
    }
    return {};
  }

private:
  template <class T>
  std::optional<T> at(std::uint64_t offset) {
    T value;
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(offset));
    file_.read(reinterpret_cast<char*>(&value), sizeof value);
    return file_ ? std::optional(value) : std::nullopt;
  }
  Address first_address() {
    for (unsigned number = 0; number < header_->e_phnum; ++number) {
      const auto segment = at<Elf64_Phdr>(header_->e_phoff + std::uint64_t{number} * header_->e_phentsize);
      if (segment && segment->p_type == PT_LOAD) return segment->p_vaddr & ~(segment->p_align - 1);
    }
    return 0;
  }

  std::ifstream file_;
  std::optional<Elf64_Ehdr> header_;
};

}  // namespace

Remote::Remote(pid_t pid) : pid_(pid) {
  try {
    stop_threads();
  } catch (...) {
    release();
    throw;
  }
}

Remote::~Remote() { release(); }

// Until no new one is found: one that is not stopped yet may start others.
void Remote::stop_threads() {
  const std::string folder = "/proc/" + std::to_string(pid_) + "/task";
  for (bool any = true; any;) {
    any = false;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      const auto thread = static_cast<pid_t>(std::stol(entry.path().filename().string()));
      if (std::find(stopped_.begin(), stopped_.end(), thread) != stopped_.end()) continue;
      if (::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0) {
        if (errno == ESRCH && thread != pid_) continue;  // it has ended
        fail(pid_, errno);
      }
      stopped_.push_back(thread);
      any = true;
      int status = 0;
      if (::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) != 0 || ::waitpid(thread, &status, __WALL) != thread)
        fail(pid_, errno);
    }
    if (error) fail(pid_, error.value() == ENOENT ? ESRCH : error.value());
  }
}

void Remote::release() noexcept {
  for (const pid_t thread : stopped_) ::ptrace(PTRACE_DETACH, thread, nullptr, nullptr);
}

std::vector<Address> Remote::sections(const std::string& name) const {
  const std::string folder = "/proc/" + std::to_string(pid_);
  std::vector<Address> found;
  std::set<std::string> seen;
  std::ifstream maps(folder + "/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    std::string range;
    std::string rights;
    std::string offset;
    std::string device;
    std::string inode;
    fields >> range >> rights >> offset >> device >> inode;
    if (inode == "0" || std::stoull(offset, nullptr, 16) != 0 || !seen.insert(device + inode).second) continue;
    // Also of a file that was replaced since.
    Program program(folder + "/map_files/" + range);
    std::optional<Address> section = program.section(name);
    if (!section) {
      std::string path;
      std::getline(fields >> std::ws, path);
      section = Program(folder + "/root" + path).section(name);
    }
    if (section) found.push_back(std::stoull(range, nullptr, 16) + *section);
  }
  return found;
}

void Remote::read(Address from, void* to, std::size_t size) const {
  const iovec here{to, size};
  const iovec there{reinterpret_cast<void*>(from), size};
  const ssize_t got = ::process_vm_readv(pid_, &here, 1, &there, 1, 0);
  if (got < 0 && errno != EFAULT) fail(pid_, errno);
  if (got != static_cast<ssize_t>(size)) throw Failure(process(pid_) + ": its memory is not as it should be");
}

std::string Remote::text(Address from) const {
  std::string text;
  while (text.size() < text_max) {
    char part[256];
    const std::size_t size = std::min<std::size_t>(sizeof part, 4096 - (from + text.size()) % 4096);  // of a page
    read(from + text.size(), part, size);
    const std::size_t length = ::strnlen(part, size);
    text.append(part, length);
    if (length < size) break;
  }
  return text;
}

}  // namespace coil_ps
