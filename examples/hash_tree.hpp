// What hash_files and pool_hash share: the files of a tree, some of them at a time, and the lines of sha256sum.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <coil/coil.hpp>

#include "progress.hpp"
#include "support.hpp"

namespace example {

/// Says what could not be read, as sha256sum does, and goes on.
class Complaints {
public:
  explicit Complaints(const char* program) : program_(program) {}
  void add(const std::string& path, const std::string& reason) {
    any_ = true;
    std::fprintf(stderr, "%s: %s: %s\n", program_, path.c_str(), reason.c_str());
  }
  bool any() const { return any_; }

private:
  const char* program_;
  bool any_ = false;
};

/// The regular files below a folder, and the folders that could not be read. Symbolic links are not followed.
struct Tree {
  std::vector<std::string> files;
  std::vector<std::pair<std::string, std::string>> unread;  // path, reason
};

/// Blocks, so it is called in a thread. Errors: `std::system_error` if `top` itself cannot be read.
inline Tree find_files(const std::string& top, const std::stop_token& stop) {
  namespace fs = std::filesystem;
  Tree tree;
  std::vector<std::string> folders = {top};
  while (!folders.empty() && !stop.stop_requested()) {
    const std::string folder = std::move(folders.back());
    folders.pop_back();
    std::error_code error;
    fs::directory_iterator entry(folder, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      const fs::file_status status = entry->symlink_status(error);
      if (error) break;
      if (fs::is_directory(status)) folders.push_back(entry->path().string());
      if (fs::is_regular_file(status)) tree.files.push_back(entry->path().string());
    }
    if (!error) continue;
    if (folder == top) throw std::system_error(error, top);
    tree.unread.emplace_back(folder, error.message());
  }
  return tree;
}

/// As sha256sum prints it: a backslash before it says that the name's own backslashes and ends of line are escaped.
inline std::string sum_line(const std::string& sum, const std::string& path) {
  std::string name;
  for (const char c : path) {
    if (c == '\\')
      name += "\\\\";
    else if (c == '\n')
      name += "\\n";
    else if (c == '\r')
      name += "\\r";
    else
      name += c;
  }
  return (name == path ? "" : "\\") + sum + "  " + name + "\n";
}

/// Prints `co_await hash(path)` for each file below `folder`, at most `at_once` of them at a time, as each is ready.
template <class Hash>
coil::Coro<int> hash_tree(const char* program, std::string folder, std::ptrdiff_t at_once, Hash hash) {
  const auto find = [&](const std::stop_token& stop) { return find_files(folder, stop); };
  const Tree tree = co_await coil::to_thread(find);
  Complaints complaints(program);
  for (const auto& [path, reason] : tree.unread) complaints.add(path, reason);

  coil::Stream output = coil::stdout_stream();
  Progress progress(tree.files.size(), "files");
  const auto print_one = [&](const std::string& path, coil::Semaphore::Permit) -> coil::Coro<void> {
    try {
      const std::string sum = co_await hash(path);
      output.write(std::string(progress.line_start()) + sum_line(sum, path));
    } catch (const std::system_error& error) {
      complaints.add(path, error.code().message());
    } catch (const std::exception& error) {
      complaints.add(path, error.what());
    }
    progress.advance();
    co_await output.drain();
  };

  coil::Semaphore permits(at_once);
  const auto print_all = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    for (const std::string& path : tree.files) {
      coil::Semaphore::Permit permit = co_await permits.scoped();  // so there are no more tasks than permits
      group.create_task(print_one, path, std::move(permit));
    }
  };
  co_await coil::task_group(print_all);
  co_await output.aclose();
  co_return complaints.any() ? 1 : 0;
}

}  // namespace example
