#include <coil/detail/resident.hpp>

#include <utility>

#include <coil/detail/loop_core.hpp>

#include "loop_parts.hpp"

namespace coil::detail {

void Resident::move_in() noexcept {
  if (home_ != nullptr) return;
  home_ = this_loop;
  Resident*& first = parts_of(*home_).residents;
  after_ = std::exchange(first, this);
  if (after_ != nullptr) after_->before_ = this;
}

void Resident::move_out() noexcept {
  if (home_ == nullptr) return;
  LoopParts& parts = parts_of(*home_);
  if (is_to_flush_) {
    Resident** link = &parts.to_flush;
    while (*link != this) link = &(*link)->next_to_flush_;
    *link = next_to_flush_;
    is_to_flush_ = false;
  }
  if (after_ != nullptr) after_->before_ = before_;
  (before_ == nullptr ? parts.residents : before_->after_) = after_;
  before_ = after_ = nullptr;
  home_ = nullptr;
}

void Resident::flush_later() noexcept {
  if (is_to_flush_) return;
  is_to_flush_ = true;
  LoopParts& parts = parts_of(*home_);
  next_to_flush_ = std::exchange(parts.to_flush, this);
  home_->notable.flushes = true;
}

void Resident::tidy_later() noexcept {
  LoopParts& parts = parts_of(*home_);
  parts.tidying.begin(parts);
}

void Tidying::begin(LoopParts& parts) noexcept {
  if (!queued() && !parts.is_virtual) parts.timers.add(*this, saturating_add(parts.now(), interval));
}

void Tidying::wake(FutureState*) noexcept {
  LoopParts& parts = parts_of(*this_loop);
  if (parts.tidy_residents() && !parts.closing) begin(parts);
}

bool LoopParts::tidy_residents() noexcept {
  bool again = false;
  for (Resident* resident = residents; resident != nullptr;) {
    Resident* const next = resident->after_;
    again = resident->tidy() || again;
    resident = next;
  }
  return again;
}

// In any order: they do not depend on each other.
void LoopParts::flush_residents() noexcept {
  while (Resident* resident = to_flush) {
    to_flush = resident->next_to_flush_;
    resident->is_to_flush_ = false;
    resident->flush();
  }
}

void LoopParts::close_residents() noexcept {
  while (Resident* resident = residents) {
    resident->move_out();
    resident->loop_closes();
  }
}

}  // namespace coil::detail
