#include <coil/shared_memory.hpp>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include <coil/error.hpp>
#include <coil/poll.hpp>

namespace coil {

namespace {

[[noreturn]] void throw_errno(const char* call) { throw std::system_error(errno, std::system_category(), call); }

constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

}  // namespace

// ---- SharedMemory ----------------------------------------------------------------------------------------

SharedMemory::SharedMemory(std::size_t size)
    : fd_(::memfd_create("coil", MFD_CLOEXEC | MFD_ALLOW_SEALING)), size_(size) {
  if (size == 0) detail::throw_invalid_argument("coil: a SharedMemory has 1 byte or more");
  if (!fd_) throw_errno("memfd_create");
  if (size > static_cast<std::size_t>(std::numeric_limits<off_t>::max())) {
    errno = EFBIG;
    throw_errno("ftruncate");
  }
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) throw_errno("ftruncate");
  if (::fcntl(fd_.get(), F_ADD_SEALS, seals) != 0) throw_errno("fcntl(F_ADD_SEALS)");
  map();
}

SharedMemory::SharedMemory(detail::OwnedFd fd) : fd_(std::move(fd)) {
  struct ::stat status{};
  if (::fstat(fd_.get(), &status) != 0) throw_errno("fstat");
  const int has = ::fcntl(fd_.get(), F_GET_SEALS);
  if (has < 0 || (has & F_SEAL_SHRINK) == 0 || status.st_size <= 0)
    detail::throw_invalid_argument("coil: this descriptor is not that of a SharedMemory");
  size_ = static_cast<std::size_t>(status.st_size);
  map();
}

void SharedMemory::map() {
  void* data = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
  if (data == MAP_FAILED) throw_errno("mmap");
  data_ = data;
}

SharedMemory::~SharedMemory() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

namespace detail {

// ---- What lies in the memory -----------------------------------------------------------------------------

/// Of each process all operations are done under the mutex, and each changes one index, last of all: whoever ends in the
/// midst has done nothing. `items_out_` holds a byte while there is an item, and `room_out_` while there is room; what an
/// ended process left undone makes a byte too many at the most, which whoever finds nothing behind it takes away.
struct SharedQueueBase::Header {
  static constexpr std::uint64_t magic_value = 0x315165726168536fU;
  std::uint64_t magic;
  std::uint64_t item_size;
  std::uint64_t capacity;
  std::uint64_t taken;  // items, since the beginning
  std::uint64_t put;
  alignas(64) pthread_mutex_t mutex;
  alignas(64) std::byte items[64];
};

SharedQueueBase::Header& SharedQueueBase::header() const noexcept { return *reinterpret_cast<Header*>(memory_.data()); }

std::byte* SharedQueueBase::slot(std::size_t index) const noexcept {
  return memory_.data() + offsetof(Header, items) + (index % capacity_) * item_size_;
}

/// Holds the mutex.
class SharedQueueBase::Locked {
public:
  explicit Locked(const SharedQueueBase& queue) : header_(queue.header()) {
    const int error = ::pthread_mutex_lock(&header_.mutex);
    if (error == EOWNERDEAD)
      ::pthread_mutex_consistent(&header_.mutex);
    else if (error != 0)
      throw std::system_error(error, std::system_category(), "coil: SharedQueue: pthread_mutex_lock");
    size_ = header_.put - header_.taken;
    if (size_ <= queue.capacity_) return;
    ::pthread_mutex_unlock(&header_.mutex);
    throw std::runtime_error("coil: SharedQueue: another process damaged its memory");
  }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
  ~Locked() { ::pthread_mutex_unlock(&header_.mutex); }

  std::size_t size() const noexcept { return size_; }
  Header& header() const noexcept { return header_; }

private:
  Header& header_;
  std::size_t size_;
};

namespace {

void make_pipe(OwnedFd& out, OwnedFd& in) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw_errno("pipe2");
  out = OwnedFd(ends[0]);
  in = OwnedFd(ends[1]);
}

// EAGAIN: it is full of bytes. EPIPE: nobody reads any more.
void show(const OwnedFd& in) noexcept {
  const char byte = 0;
  while (::write(in.get(), &byte, 1) < 0 && errno == EINTR) continue;
}
void hide(const OwnedFd& out) noexcept {
  char bytes[64];
  while (::read(out.get(), bytes, sizeof bytes) == sizeof bytes) continue;
}

/// Whether nobody is left at the other end, and no byte.
bool has_ended(const OwnedFd& out) noexcept {
  pollfd poll{out.get(), POLLIN, 0};
  return ::poll(&poll, 1, 0) == 1 && (poll.revents & POLLIN) == 0;
}

}  // namespace

// ---- Making one ------------------------------------------------------------------------------------------

SharedQueueBase::SharedQueueBase(std::size_t item_size, std::size_t capacity)
    : memory_([&] {
        if (capacity == 0) throw_invalid_argument("coil: a SharedQueue needs a maxsize of 1 or more");
        if (capacity > (std::size_t{1} << 40) / item_size)
          throw_invalid_argument("coil: a SharedQueue of this maxsize would need more than a terabyte");
        return SharedMemory(offsetof(Header, items) + item_size * capacity);
      }()),
      item_size_(item_size),
      capacity_(capacity) {
  Header& made = *new (memory_.data()) Header;
  made.magic = Header::magic_value;
  made.item_size = item_size;
  made.capacity = capacity;
  made.taken = made.put = 0;
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  ::pthread_mutex_init(&made.mutex, &attributes);
  ::pthread_mutexattr_destroy(&attributes);
  make_pipe(items_out_, items_in_);
  make_pipe(room_out_, room_in_);
  show(room_in_);
}

SharedQueueBase::SharedQueueBase(std::size_t item_size, std::span<OwnedFd> descriptors)
    : memory_([&] {
        if (descriptors.size() != 5) throw_invalid_argument("coil: a SharedQueue is made of five descriptors");
        return SharedMemory(std::move(descriptors[0]));
      }()),
      item_size_(item_size),
      capacity_(0),
      items_out_(std::move(descriptors[1])),
      items_in_(std::move(descriptors[2])),
      room_out_(std::move(descriptors[3])),
      room_in_(std::move(descriptors[4])) {
  const std::size_t room = memory_.size() < offsetof(Header, items) ? 0 : memory_.size() - offsetof(Header, items);
  if (room == 0 || header().magic != Header::magic_value || header().item_size != item_size || header().capacity == 0 ||
      header().capacity > room / item_size)
    throw_invalid_argument("coil: these descriptors are not those of a SharedQueue of such items");
  capacity_ = header().capacity;
}

std::array<int, 5> SharedQueueBase::descriptors() const noexcept {
  return {memory_.fd(), items_out_.get(), items_in_.get(), room_out_.get(), room_in_.get()};
}

void SharedQueueBase::close_put() noexcept {
  items_in_.close();
  room_out_.close();
}

void SharedQueueBase::close_get() noexcept {
  items_out_.close();
  room_in_.close();
}

void SharedQueueBase::check_open(const OwnedFd& end, const char* call) const {
  if (!end) throw std::logic_error("coil: SharedQueue::" + std::string(call) + "() on a side that is closed here");
}

// ---- Putting and taking ----------------------------------------------------------------------------------

std::size_t SharedQueueBase::qsize() const { return Locked(*this).size(); }

bool SharedQueueBase::try_put(const void* item) {
  check_open(items_in_, "put");
  const Locked locked(*this);
  if (locked.size() == capacity_) {
    hide(room_out_);
    return false;
  }
  std::memcpy(slot(locked.header().put), item, item_size_);
  if (locked.size() == 0) show(items_in_);
  ++locked.header().put;
  if (locked.size() + 1 == capacity_) hide(room_out_);
  return true;
}

bool SharedQueueBase::try_get(void* item) {
  check_open(items_out_, "get");
  const Locked locked(*this);
  if (locked.size() == 0) {
    hide(items_out_);
    return false;
  }
  std::memcpy(item, slot(locked.header().taken), item_size_);
  if (locked.size() == capacity_) show(room_in_);
  ++locked.header().taken;
  if (locked.size() == 1) hide(items_out_);
  return true;
}

Coro<void> SharedQueueBase::put_bytes(const void* item) {
  while (!try_put(item)) {
    co_await readable(room_out_.get());
    if (has_ended(room_out_)) throw QueueShutDown("coil: SharedQueue::put(): no process is left that takes items");
  }
}

Coro<void> SharedQueueBase::get_bytes(void* item) {
  while (!try_get(item)) {
    co_await readable(items_out_.get());
    if (has_ended(items_out_) && qsize() == 0)
      throw QueueShutDown("coil: SharedQueue::get(): the queue is empty, and no process is left that puts items");
  }
}

}  // namespace detail
}  // namespace coil
