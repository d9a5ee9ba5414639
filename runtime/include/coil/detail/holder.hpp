#pragma once
#include <utility>

namespace coil::detail {

class Holder;

/// Base of what is held by guards, and may be destroyed before them: they then hold nothing.
class Held {
public:
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

protected:
  Held() noexcept = default;
  inline ~Held();

private:
  friend class Holder;
  Holder* first_ = nullptr;
};

/// Base of guards: one link of a list. Move-only.
class Holder {
protected:
  Holder() noexcept = default;  // holds nothing
  explicit Holder(Held& held) noexcept : held_(&held), next_(held.first_), from_(&held.first_) { link(); }
  Holder(Holder&& other) noexcept { take_over(other); }
  Holder& operator=(Holder&&) = delete;
  ~Holder() { let_go(); }

  Held* held() const noexcept { return held_; }
  /// Holds what `other` held. Of one that holds nothing.
  void take_over(Holder& other) noexcept {
    if (other.held_ == nullptr) return;
    held_ = std::exchange(other.held_, nullptr);
    next_ = other.next_;
    from_ = other.from_;
    link();
  }
  /// Holds nothing from now on. Gives what it held, or null.
  Held* let_go() noexcept {
    if (held_ == nullptr) return nullptr;
    *from_ = next_;
    if (next_ != nullptr) next_->from_ = from_;
    return std::exchange(held_, nullptr);
  }

private:
  friend class Held;
  void link() noexcept {
    *from_ = this;
    if (next_ != nullptr) next_->from_ = &next_;
  }

  Held* held_ = nullptr;
  Holder* next_ = nullptr;   // these two mean something while it holds something
  Holder** from_ = nullptr;  // what points to this
};

inline Held::~Held() {
  while (first_ != nullptr) first_->let_go();
}

}  // namespace coil::detail
