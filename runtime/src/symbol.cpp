#include "symbol.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <string_view>
#include <utility>

namespace coil::detail {

namespace {

std::string demangle(const std::string& mangled) {
  int status = 0;
  char* text = abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status);
  std::string name = status == 0 ? text : mangled;
  std::free(text);
  return name;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// The bracket that closes the one at `open`; the end of the text without one.
std::size_t closing(std::string_view text, std::size_t open) {
  std::size_t depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (std::string_view("(<{").find(text[i]) != text.npos) ++depth;
    if (std::string_view(")>}").find(text[i]) != text.npos && --depth == 0) return i;
  }
  return text.size();
}

// Where the parameters of a function begin: with the last bracket that is in no other one.
std::size_t parameters_of(std::string_view name) {
  std::size_t found = name.size();
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '(') found = i;
    if (std::string_view("(<{").find(name[i]) != name.npos) i = closing(name, i);
  }
  return found;
}

// "coil::Coro<void> serve<int>(int)" without the return type and the template's arguments, as clang has it.
std::string without_types(std::string_view name) {
  std::string text;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '(') return text.append(name.substr(i));
    if (name[i] == '<' || name[i] == '{') {
      const std::size_t end = closing(name, i);
      if (name[i] == '{') text.append(name.substr(i, end + 1 - i));
      i = end;
    } else if (name[i] == ' ') {
      text.clear();
    } else {
      text += name[i];
    }
  }
  return text;
}

// One word for what g++ calls "{lambda(int)#1}::operator()(int) const" or, at the first step, "<lambda(int)>", and clang
// "(anonymous class)::operator()(int) const"; nothing for namespaces without a name.
std::string in_plain_words(std::string name) {
  constexpr std::string_view angled = "<lambda(";
  for (std::size_t at = name.find(angled); at != name.npos; at = name.find(angled)) {
    if (const std::size_t end = closing(name, at); end != name.size()) name.erase(end, 1);
    name.erase(at, 1);
  }
  for (std::size_t at = name.find("{lambda("); at != name.npos; at = name.find("{lambda("))
    name.replace(at, closing(name, at) + 1 - at, "lambda");
  replace_all(name, "(anonymous class)", "lambda");
  replace_all(name, "lambda::operator()", "lambda");
  replace_all(name, "(anonymous namespace)::", "");
  replace_all(name, "{anonymous}::", "");
  replace_all(name, ") const", ")");
  return name;
}

// What the caller wrote, for the coroutines behind coil's own functions. `written` has the types of their arguments, too.
std::string_view as_called(std::string_view name, std::string_view written) {
  static constexpr std::pair<std::string_view, std::string_view> calls[] = {
      {"gather_", "coil::gather"},          {"race_", "coil::race"},
      {"wait_for_some", "coil::wait"},      {"wait_for_", "coil::wait_for"},
      {"end_expired", "coil::wait_for"},    {"run_timeout", "coil::timeout"},
      {"run_group", "coil::task_group"},    {"catch_outcome", "coil::as_result"},
      {"run_with", "coil::with"},           {"run_try_finally", "coil::try_finally"},
      {"finish_with", "coil::try_finally"}, {"give_completed", "coil::as_completed"},
  };
  constexpr std::string_view internal = "coil::detail::";
  if (name == "coil::TaskGroup::leave") return "coil::task_group";
  if (name == "coil::detail::run_timeout" && written.find("StartedBody") != written.npos) return "coil::wait_for";
  if (!name.starts_with(internal)) return name;
  for (const auto& [start, call] : calls)
    if (name.substr(internal.size()).starts_with(start)) return call;
  return name;
}

}  // namespace

std::string function_name(const std::source_location& where) { return function_name(where.function_name()); }

std::string function_name(std::string_view written) {
  std::string name(written);
  // After its first suspension g++ 12 names the frame's resume function:
  // "void f(f(int)::_Z1fi.Frame*)"; the mangled name in it is the coroutine's own.
  constexpr std::string_view frame = ".Frame*)";
  if (const std::size_t start = written.rfind("::_Z"); written.ends_with(frame) && start != written.npos) {
    name = demangle(std::string(written.substr(start + 2, written.size() - start - 2 - frame.size())));
  } else if (const std::size_t with = written.find(" ["); with != written.npos && written.back() == ']') {
    name = written.substr(0, with);  // "coil::Coro<void> server(T) [with T = int]"
  }
  name = in_plain_words(without_types(in_plain_words(std::move(name))));
  if (name.starts_with("coil::")) {
    name.resize(parameters_of(name));
    name = std::string(as_called(name, written));
  }
  return name;
}

std::string coroutine_name(const std::source_location& where) {
  std::string name = function_name(where);
  name.resize(parameters_of(name));
  return name;
}

bool only_keeps_a_callable(std::string_view file) noexcept { return file.ends_with("coil/create_task.hpp"); }

std::string type_name(const std::type_info& type) { return demangle(type.name()); }

// g++: "... [with F = main()::<lambda()>; Args = {int}]", clang: "... [F = (lambda at main.cpp:3:9), Args = <int>]".
std::string template_argument(const char* pretty_function) {
  const std::string_view name = pretty_function;
  constexpr std::string_view mark = "F = ";
  const std::size_t start = name.find(mark, name.rfind('[', name.find(mark)));
  const std::size_t end = name.rfind(" Args = ");
  if (start == name.npos || end == name.npos || end <= start + mark.size()) return std::string(name);
  return std::string(name.substr(start + mark.size(), end - start - mark.size() - 1));
}

std::string describe(const std::source_location& where) {
  std::string_view file = where.file_name();
  if (const std::size_t slash = file.rfind('/'); slash != file.npos) file = file.substr(slash + 1);
  std::string text = function_name(where);
  text += " (";
  text += file;
  text += ':';
  text += std::to_string(where.line());
  text += ')';
  return text;
}

std::string indented(std::string_view lines) {
  std::string text;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n') + 1);
    text.append("  ").append(line.empty() ? lines : line);
    lines.remove_prefix(line.empty() ? lines.size() : line.size());
  }
  return text;
}

}  // namespace coil::detail
