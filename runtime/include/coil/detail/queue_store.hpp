#pragma once
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

// What queues keep their items in. Each can `push` an item, `take` the next one, and `clear`; what throws in the midst
// of it, an item's constructor or a comparison, leaves everything as it was.
namespace coil::detail {

/// An item in memory of its own.
template <class T>
class Box {
public:
  template <class U>
  explicit Box(std::in_place_t, U&& item) : item_(new T(std::forward<U>(item))) {}
  Box(Box&& other) noexcept : item_(std::exchange(other.item_, nullptr)) {}
  Box& operator=(Box&& other) noexcept {
    std::swap(item_, other.item_);
    return *this;
  }
  ~Box() { delete item_; }
  T& operator*() const noexcept { return *item_; }

private:
  T* item_;  // null once moved from
};

/// Whether items can be moved about without fear. (A std::vector of bool holds no objects.)
template <class T>
inline constexpr bool moves_safely =
    std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> && !std::is_same_v<T, bool>;

/// An item as it is stored: moving it never throws.
template <class T>
using Stowed = std::conditional_t<moves_safely<T>, T, Box<T>>;

template <class T, class U>
Stowed<T> stow(U&& item) {
  if constexpr (moves_safely<T>)
    return T(std::forward<U>(item));
  else
    return Box<T>(std::in_place, std::forward<U>(item));
}
template <class T>
T& unstow(Stowed<T>& item) noexcept {
  if constexpr (moves_safely<T>)
    return item;
  else
    return *item;
}

/// First in, first out: a ring that grows.
template <class T>
class FifoStore {
  using Item = Stowed<T>;

public:
  FifoStore() noexcept = default;
  FifoStore(const FifoStore&) = delete;
  FifoStore& operator=(const FifoStore&) = delete;
  ~FifoStore() {
    clear();
    deallocate();
  }

  std::size_t size() const noexcept { return size_; }

  template <class U>
  void push(U&& item) {
    if (size_ == capacity_) grow();
    ::new (static_cast<void*>(at(size_))) Item(stow<T>(std::forward<U>(item)));
    ++size_;
  }
  T take() {
    T item(std::move(unstow<T>(*at(0))));
    drop_first();
    return item;
  }
  void clear() noexcept {
    while (size_ != 0) drop_first();
  }

private:
  Item* at(std::size_t index) const noexcept { return items_ + ((first_ + index) & (capacity_ - 1)); }
  void drop_first() noexcept {
    Item* item = at(0);
    ++first_;
    --size_;
    item->~Item();
    if (size_ == 0 && capacity_ > kept_max) [[unlikely]]
      deallocate();
  }
  void grow() {
    const std::size_t capacity = capacity_ == 0 ? 4 : 2 * capacity_;
    auto* items = static_cast<Item*>(::operator new(capacity * sizeof(Item), std::align_val_t(alignof(Item))));
    for (std::size_t i = 0; i != size_; ++i) {
      ::new (static_cast<void*>(items + i)) Item(std::move(*at(i)));
      at(i)->~Item();
    }
    deallocate();
    items_ = items;
    capacity_ = capacity;
  }
  void deallocate() noexcept {
    ::operator delete(items_, std::align_val_t(alignof(Item)));
    items_ = nullptr;
    capacity_ = first_ = 0;
  }

  static constexpr std::size_t kept_max = 1024;  // items: more memory than for these is given back when it is empty

  Item* items_ = nullptr;
  std::size_t capacity_ = 0;  // a power of two, or 0
  std::size_t first_ = 0;     // modulo the capacity
  std::size_t size_ = 0;
};

/// Last in, first out.
template <class T>
class LifoStore {
public:
  std::size_t size() const noexcept { return items_.size(); }

  template <class U>
  void push(U&& item) {
    items_.push_back(stow<T>(std::forward<U>(item)));
  }
  T take() {
    T item(std::move(unstow<T>(items_.back())));
    items_.pop_back();
    return item;
  }
  void clear() noexcept { items_.clear(); }

private:
  std::vector<Stowed<T>> items_;
};

/// The least first. Equal ones come in the order in which Python's heapq gives them.
template <class T, class Compare>
class HeapStore {
public:
  explicit HeapStore(Compare before) : before_(std::move(before)) {}

  std::size_t size() const noexcept { return items_.size(); }

  template <class U>
  void push(U&& item) {
    auto stowed = stow<T>(std::forward<U>(item));
    std::size_t place = items_.size();
    while (place != 0 && is_before(stowed, items_[parent(place)])) place = parent(place);
    items_.push_back(std::move(stowed));
    for (std::size_t from = items_.size() - 1; from != place; from = parent(from))
      std::swap(items_[from], items_[parent(from)]);
  }
  T take() {
    const std::size_t place = place_of_last();
    T item(std::move(unstow<T>(items_.front())));
    // The last one goes to its place, and what was there and above it moves up by one.
    std::swap(items_[place], items_.back());
    for (std::size_t above = place; above != 0; above = parent(above)) std::swap(items_.back(), items_[parent(above)]);
    items_.pop_back();
    return item;
  }
  void clear() noexcept { items_.clear(); }

private:
  static std::size_t parent(std::size_t index) noexcept { return (index - 1) / 2; }
  bool is_before(Stowed<T>& a, Stowed<T>& b) {
    return static_cast<bool>(before_(std::as_const(unstow<T>(a)), std::as_const(unstow<T>(b))));
  }
  // Where the last item goes when the first one is gone: down to a leaf along the lesser children, then up again. That
  // takes fewer comparisons than to stop on the way down, for what is last is seldom among the least.
  std::size_t place_of_last() {
    const std::size_t size = items_.size() - 1;
    std::size_t place = 0;
    for (std::size_t child = 1; child < size; child = 2 * place + 1) {
      if (child + 1 < size && !is_before(items_[child], items_[child + 1])) ++child;
      place = child;
    }
    while (place != 0 && is_before(items_.back(), items_[place])) place = parent(place);
    return place;
  }

  std::vector<Stowed<T>> items_;  // none comes before its parent
  [[no_unique_address]] Compare before_;
};

}  // namespace coil::detail
