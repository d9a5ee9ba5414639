#pragma once
#include <concepts>
#include <exception>
#include <optional>
#include <source_location>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace coil {

/// Several exceptions at once: what a `task_group` throws when children fail. Never empty.
class ExceptionGroup : public std::runtime_error {
public:
  /// Errors: `std::invalid_argument` without an exception.
  ExceptionGroup(const std::string& message, std::vector<std::exception_ptr> exceptions);

  /// In the order in which they happened.
  std::span<const std::exception_ptr> exceptions() const noexcept { return exceptions_; }
  const std::string& message() const noexcept { return message_; }

  /// What matches `E` and the rest, each with the structure of nested groups kept. A nested group is taken whole
  /// only if `E` is a kind of group.
  template <class E>
  std::pair<std::optional<ExceptionGroup>, std::optional<ExceptionGroup>> split() const {
    return split_if(
        [](const std::exception_ptr& member) {
          try {
            std::rethrow_exception(member);
          } catch (const E&) {
            return true;
          } catch (...) {
            return false;
          }
        },
        std::derived_from<E, ExceptionGroup>);
  }
  /// Calls `f(std::exception_ptr)` for every leaf, nested groups included.
  template <class F>
  void visit(F f) const {
    for (const std::exception_ptr& member : exceptions_) {
      if (const std::optional<ExceptionGroup> group = as_group(member))
        group->visit<F&>(f);
      else
        f(member);
    }
  }

private:
  using Halves = std::pair<std::optional<ExceptionGroup>, std::optional<ExceptionGroup>>;
  using Matches = bool (*)(const std::exception_ptr&);
  Halves split_if(Matches matches, bool whole_groups) const;
  static std::optional<ExceptionGroup> as_group(const std::exception_ptr& exception);

  std::string message_;
  std::vector<std::exception_ptr> exceptions_;
};

/// An exception in words: its type and text, and for the one that was last thrown through coroutines of this
/// thread the awaits it came through, one line each. Ends in a newline.
std::string format_exception(const std::exception_ptr& exception);

/// The awaits that `exception` came through on its way out of the coroutines, innermost first; empty unless
/// it is the last one that left a coroutine of this thread.
std::vector<std::source_location> exception_trace(const std::exception_ptr& exception);

}  // namespace coil
