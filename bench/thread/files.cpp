// Random reads by a pool of 16 threads, as an event loop would use it: a mutex and a condition variable each way.
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "../files/files.hpp"

namespace {

constexpr int threads_count = 16;

struct Job {
  char* buffer;
  std::uint64_t offset;
};

/// Between threads; takes and gives all that is there at once where that is asked for.
template <class T>
class Channel {
public:
  void put(T item) {
    const std::lock_guard lock(mutex_);
    items_.push_back(item);
    filled_.notify_one();
  }
  void put_all(const std::vector<T>& more) {
    const std::lock_guard lock(mutex_);
    for (const T& item : more) {
      items_.push_back(item);
      filled_.notify_one();
    }
  }
  /// False once closed.
  bool get(T& item) {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [this] { return !items_.empty() || closed_; });
    if (items_.empty()) return false;
    item = items_.back();
    items_.pop_back();
    return true;
  }
  void get_all(std::vector<T>& items) {
    items.clear();
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [this] { return !items_.empty(); });
    items.swap(items_);
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    filled_.notify_all();
  }

private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::vector<T> items_;
  bool closed_ = false;
};

void read_all(const files::Reading& work) {
  files::Offsets offsets(work.size);
  files::Buffers buffers(files::block * static_cast<std::size_t>(work.depth));
  Channel<Job> jobs;
  Channel<char*> done;
  const auto serve = [&] {
    for (Job job{}; jobs.get(job);) {
      if (::pread(work.fd, job.buffer, files::block, static_cast<off_t>(job.offset)) != files::block) std::abort();
      done.put(job.buffer);
    }
  };
  std::vector<std::jthread> pool;
  for (int i = 0; i < threads_count; ++i) pool.emplace_back(serve);
  std::vector<Job> starting;
  for (long i = 0; i < work.depth; ++i)
    starting.push_back({buffers.at(files::block * static_cast<std::size_t>(i)), offsets.next()});
  long to_start = work.count - work.depth;
  std::vector<char*> ended;
  for (long left = work.count; left > 0;) {
    jobs.put_all(starting);
    starting.clear();
    done.get_all(ended);
    left -= static_cast<long>(ended.size());
    for (char* const buffer : ended)
      if (to_start-- > 0) starting.push_back({buffer, offsets.next()});
  }
  jobs.close();
}

}  // namespace

int main(int argc, char** argv) { return files::run(argc, argv, read_all, nullptr); }
