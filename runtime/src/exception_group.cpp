#include <coil/exception_group.hpp>

#include <typeinfo>

#include <cxxabi.h>
#include <fmt/format.h>

#include <coil/error.hpp>

#include "exception_trace.hpp"
#include "symbol.hpp"

namespace coil {

ExceptionGroup::ExceptionGroup(const std::string& message, std::vector<std::exception_ptr> exceptions)
    : std::runtime_error(
          fmt::format("{} ({} sub-exception{})", message, exceptions.size(), exceptions.size() == 1 ? "" : "s")),
      message_(message),
      exceptions_(std::move(exceptions)) {
  if (exceptions_.empty()) throw std::invalid_argument("coil: an ExceptionGroup needs at least one exception");
}

std::optional<ExceptionGroup> ExceptionGroup::as_group(const std::exception_ptr& member) {
  try {
    std::rethrow_exception(member);
  } catch (const ExceptionGroup& group) {
    return group;
  } catch (...) {
    return std::nullopt;
  }
}

auto ExceptionGroup::split_if(Matches matches, bool whole_groups) const -> Halves {
  std::vector<std::exception_ptr> matching;
  std::vector<std::exception_ptr> rest;
  for (const std::exception_ptr& member : exceptions_) {
    if (const std::optional<ExceptionGroup> group = as_group(member); group && !(whole_groups && matches(member))) {
      auto [inner_matching, inner_rest] = group->split_if(matches, whole_groups);
      if (inner_matching) matching.push_back(std::make_exception_ptr(std::move(*inner_matching)));
      if (inner_rest) rest.push_back(std::make_exception_ptr(std::move(*inner_rest)));
    } else {
      (matches(member) ? matching : rest).push_back(member);
    }
  }
  const auto half = [this](std::vector<std::exception_ptr>&& exceptions) -> std::optional<ExceptionGroup> {
    if (exceptions.empty()) return std::nullopt;
    return ExceptionGroup(message_, std::move(exceptions));
  };
  return {half(std::move(matching)), half(std::move(rest))};
}

std::vector<std::source_location> exception_trace(const std::exception_ptr& exception) {
  return detail::trace_of(exception);
}

std::string format_exception(const std::exception_ptr& exception) {
  if (!exception) return "no exception\n";
  std::string text;
  std::string members;
  const auto say = [&](const std::string& type, const std::string& what) {
    text = what.empty() ? type : type + ": " + what;
  };
  try {
    std::rethrow_exception(exception);
  } catch (const ExceptionGroup& group) {
    say(detail::type_name(typeid(group)), group.what());
    for (const std::exception_ptr& member : group.exceptions()) members += format_exception(member);
  } catch (const std::exception& error) {
    say(detail::type_name(typeid(error)), error.what());
  } catch (const CancelledError& cancelled) {
    say("coil::CancelledError", cancelled.message());
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    text = type == nullptr ? "an exception of unknown type" : detail::type_name(*type);
  }
  text += '\n';
  text += detail::indented(members);
  for (const std::source_location& where : detail::trace_of(exception))
    if (!detail::only_keeps_a_callable(where)) text += fmt::format("  at {}\n", detail::describe(where));
  return text;
}

}  // namespace coil
