#include <coil/signal_set.hpp>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include <coil/detail/resident.hpp>
#include <coil/detail/wait_line.hpp>
#include <coil/loop.hpp>

namespace coil {

namespace detail {

class SignalSetCore final : public Resident {
public:
  explicit SignalSetCore(std::initializer_list<int> signals) {
    Loop& loop = get_running_loop();
    signals_.reserve(signals.size());
    arrived_.reserve(signals.size());
    move_in();
    try {
      for (const int signal : signals) {
        loop.add_signal_handler(signal, [this, signal] { arrive(signal); });
        signals_.push_back(signal);
      }
    } catch (...) {
      close();
      throw;
    }
  }
  ~SignalSetCore() { close(); }

  void ref() noexcept { ++refs_; }
  void unref() noexcept {
    if (--refs_ == 0) delete this;
  }

  void close() noexcept {
    closed_ = true;
    if (lives_in_loop()) {
      for (const int signal : signals_) home().loop().remove_signal_handler(signal);
    }
    signals_.clear();
    line_.wake_all();
  }

  static Coro<int> wait(StateRef<SignalSetCore> core) {
    LineOperation arrival(core->line_, "SignalSet");
    while (core->arrived_.empty()) {
      if (core->closed_) throw std::logic_error("coil: SignalSet::wait() of one that is closed");
      co_await arrival;
    }
    const int signal = core->arrived_.front();
    core->arrived_.erase(core->arrived_.begin());
    co_return signal;
  }

private:
  void arrive(int signal) noexcept {
    if (std::find(arrived_.begin(), arrived_.end(), signal) == arrived_.end()) arrived_.push_back(signal);
    line_.wake_all();
  }
  void loop_closes() noexcept override {}  // which has removed the handlers

  std::uint32_t refs_ = 0;
  std::vector<int> signals_;
  std::vector<int> arrived_;  // never more than there are signals
  bool closed_ = false;
  WaitLine line_;
};

}  // namespace detail

SignalSet::SignalSet(std::initializer_list<int> signals) : core_(new detail::SignalSetCore(signals)) {}
SignalSet::SignalSet(SignalSet&& other) noexcept = default;
SignalSet& SignalSet::operator=(SignalSet&& other) noexcept {
  if (this != &other) {
    close();
    core_ = std::move(other.core_);
  }
  return *this;
}
SignalSet::~SignalSet() { close(); }

Coro<int> SignalSet::wait() {
  if (!core_) detail::throw_logic_error("coil: SignalSet::wait() of one that was moved from");
  return detail::SignalSetCore::wait(core_);
}
void SignalSet::close() noexcept {
  if (core_) core_->close();
}

}  // namespace coil
