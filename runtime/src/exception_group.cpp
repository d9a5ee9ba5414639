#include <coil/exception_group.hpp>

#include <typeinfo>

#include <cxxabi.h>
#include <fmt/format.h>

#include <coil/error.hpp>

#include "exception_trace.hpp"
#include "symbol.hpp"

namespace coil {

namespace detail {

static std::string indented(const std::string& lines) {
  std::string text = "  ";
  for (const char c : lines) {
    text += c;
    if (c == '\n') text += "  ";
  }
  text.resize(text.size() - 2);
  return text;
}

}  // namespace detail

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
  try {
    std::rethrow_exception(exception);
  } catch (const ExceptionGroup& group) {
    text = fmt::format("{}: {}\n", detail::type_name(typeid(group)), group.what());
    for (const std::exception_ptr& member : group.exceptions()) text += detail::indented(format_exception(member));
  } catch (const std::exception& error) {
    text = fmt::format("{}: {}\n", detail::type_name(typeid(error)), error.what());
  } catch (const CancelledError& cancelled) {
    text = fmt::format("coil::CancelledError: {}\n", cancelled.message());
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    text = fmt::format("{}\n", type == nullptr ? "an exception of unknown type" : detail::type_name(*type));
  }
  for (const std::source_location& where : detail::trace_of(exception))
    text += fmt::format("    at {}\n", detail::describe(where));
  return text;
}

}  // namespace coil
