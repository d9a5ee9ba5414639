// What waits for a stream: until there is input, or until what was written is sent.
#include <coil/detail/stream_core.hpp>

#include <cerrno>
#include <stdexcept>
#include <string>

namespace coil::detail {

void StreamReader::end_wait() {
  if (other_call_ != nullptr)
    throw std::logic_error("coil: Stream::" + std::string(call_) + "() while another task is in " + other_call_ +
                           "() of the same stream");
  core_->end_read(*this);
  throw_if_cancelled();
  if (!core_->transport().can_receive() && !core_->at_end())
    throw std::logic_error("coil: Stream::" + std::string(call_) + "() of a stream that can only be written to");
}

std::string StreamReader::take(std::size_t size) {
  StreamBuffer& input = core_->input();
  std::string taken(input.text().substr(0, size));
  input.consume(taken.size());
  return taken;
}

void StreamReader::throw_if_failed() const {
  if (core_->read_error() != 0) core_->throw_error(call_, core_->read_error());
}

Abort StreamReader::abort() noexcept {
  core_->stop_waiting(*this);
  return Abort::gone;
}

bool StreamWriteWait::await_ready() const noexcept {
  if (until_ == Until::closed) return core_->is_closed();
  if (core_->write_error() != 0) return true;
  return until_ == Until::below_water ? !core_->is_above_water() : core_->unsent() == 0;
}

Abort StreamWriteWait::abort() noexcept {
  core_->remove(*this);
  return Abort::gone;
}

void StreamWriteWait::await_resume() {
  throw_if_cancelled();
  const int error = core_->write_error();
  if (error != 0 && (until_ != Until::closed || error != ECONNABORTED)) core_->throw_error(call_, error);
  if (until_ != Until::closed && core_->is_write_dropped()) core_->throw_error(call_, EPIPE);
}

}  // namespace coil::detail
