// Stands between coil and liburing: a test sees what goes to the kernel and what comes back, and can change both.
//
// A program that includes this header calls the functions below instead of liburing's, which they call in turn. One
// source of a program may include it.
#pragma once
#include <dlfcn.h>
#include <liburing.h>

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#ifndef LIBURING_NOEXCEPT
#define LIBURING_NOEXCEPT
#endif

namespace coil_test {

/// The hooks of one thread, in force from its construction to its destruction. What is not set changes nothing.
class RingShim {
public:
  /// Each submission that is about to be passed on.
  std::function<void(io_uring_sqe&)> submission;
  /// What a call that enters the kernel answers instead of doing so, 0 to go on.
  std::function<int()> enter;
  /// The completions that have come with a call.
  std::function<void(std::span<io_uring_cqe*>)> completions;
  /// What setting up a ring answers instead of doing so, 0 to go on. May change the parameters.
  std::function<int(unsigned entries, io_uring_params& parameters)> set_up;

  RingShim() {
    if (current != nullptr) throw std::logic_error("one RingShim at a time");
    current = this;
  }
  RingShim(const RingShim&) = delete;
  RingShim& operator=(const RingShim&) = delete;
  ~RingShim() { current = nullptr; }

  /// To be called from `submission`: nothing is done for `sqe`, and its completion has `result`.
  void answer(io_uring_sqe& sqe, std::int32_t result) {
    const std::uint64_t tag = sqe.user_data;
    io_uring_prep_nop(&sqe);
    sqe.user_data = tag;
    answers_[tag] = result;
  }

  static inline thread_local RingShim* current = nullptr;

  // ---- For the functions below ----

  template <class F>
  int around(io_uring* ring, F call) {
    see_submissions(*ring);
    if (enter) {
      if (const int answer = enter(); answer != 0) return answer;
    }
    const int result = call(ring);
    see_completions(*ring);
    return result;
  }

  int before_set_up(unsigned entries, io_uring_params& parameters) {
    ring_ = nullptr;  // a new ring may come to lie where an old one was
    return set_up ? set_up(entries, parameters) : 0;
  }

private:
  void see_submissions(io_uring& ring) {
    const unsigned passed_on = *ring.sq.khead;
    const unsigned taken = *ring.cq.khead;
    const bool is_new = std::exchange(ring_, &ring) != &ring;
    if (is_new || static_cast<int>(submissions_seen_ - passed_on) < 0) submissions_seen_ = passed_on;
    if (is_new || static_cast<int>(completions_seen_ - taken) < 0) completions_seen_ = taken;
    for (; submissions_seen_ != ring.sq.sqe_tail; ++submissions_seen_)
      if (submission) submission(ring.sq.sqes[submissions_seen_ & (*ring.sq.kring_mask)]);
  }

  void see_completions(io_uring& ring) {
    std::vector<io_uring_cqe*> batch;
    for (; completions_seen_ != io_uring_smp_load_acquire(ring.cq.ktail); ++completions_seen_)
      batch.push_back(&ring.cq.cqes[completions_seen_ & (*ring.cq.kring_mask)]);
    for (io_uring_cqe* cqe : batch) {
      if (const auto found = answers_.find(cqe->user_data); found != answers_.end()) {
        cqe->res = found->second;
        answers_.erase(found);
      }
    }
    if (completions && !batch.empty()) completions(batch);
  }

  io_uring* ring_ = nullptr;
  unsigned submissions_seen_ = 0;
  unsigned completions_seen_ = 0;
  std::map<std::uint64_t, std::int32_t> answers_;  // by user_data
};

template <class Function>
Function* liburing_function(const char* name) {
  void* found = ::dlsym(RTLD_NEXT, name);
  if (found == nullptr) throw std::runtime_error("liburing is not a shared library here");
  return reinterpret_cast<Function*>(found);
}

template <class F>
int through_shim(io_uring* ring, F call) {
  return RingShim::current == nullptr ? call(ring) : RingShim::current->around(ring, call);
}

}  // namespace coil_test

extern "C" {

int io_uring_submit(io_uring* ring) LIBURING_NOEXCEPT {
  static auto* const real = coil_test::liburing_function<int(io_uring*)>("io_uring_submit");
  return coil_test::through_shim(ring, real);
}

int io_uring_submit_and_get_events(io_uring* ring) LIBURING_NOEXCEPT {
  static auto* const real = coil_test::liburing_function<int(io_uring*)>("io_uring_submit_and_get_events");
  return coil_test::through_shim(ring, real);
}

int io_uring_submit_and_wait(io_uring* ring, unsigned count) LIBURING_NOEXCEPT {
  static auto* const real = coil_test::liburing_function<int(io_uring*, unsigned)>("io_uring_submit_and_wait");
  return coil_test::through_shim(ring, [count](io_uring* r) { return real(r, count); });
}

int io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** cqe, unsigned count, __kernel_timespec* time,
                                     sigset_t* signals) LIBURING_NOEXCEPT {
  static auto* const real =
      coil_test::liburing_function<int(io_uring*, io_uring_cqe**, unsigned, __kernel_timespec*, sigset_t*)>(
          "io_uring_submit_and_wait_timeout");
  return coil_test::through_shim(
      ring, [cqe, count, time, signals](io_uring* r) { return real(r, cqe, count, time, signals); });
}

int io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* parameters) LIBURING_NOEXCEPT {
  static auto* const real =
      coil_test::liburing_function<int(unsigned, io_uring*, io_uring_params*)>("io_uring_queue_init_params");
  if (coil_test::RingShim::current != nullptr) {
    if (const int answer = coil_test::RingShim::current->before_set_up(entries, *parameters); answer != 0)
      return answer;
  }
  return real(entries, ring, parameters);
}

}  // extern "C"
