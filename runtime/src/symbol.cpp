#include "symbol.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <string_view>

namespace coil::detail {

namespace {

std::string demangle(const std::string& mangled) {
  int status = 0;
  char* text = abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status);
  std::string name = status == 0 ? text : mangled;
  std::free(text);
  return name;
}

}  // namespace

std::string function_name(const std::source_location& where) {
  std::string_view name = where.function_name();
  // After its first suspension g++ 12 names the frame's resume function:
  // "void f(f(int)::_Z1fi.Frame*)"; the mangled name in it is the coroutine's own.
  constexpr std::string_view frame = ".Frame*)";
  if (name.ends_with(frame)) {
    const std::size_t start = name.rfind("::_Z");
    if (start != name.npos)
      return demangle(std::string(name.substr(start + 2, name.size() - start - 2 - frame.size())));
  }
  // "coil::Coro<void> server(int) [with T = int]": without the return type.
  if (const std::size_t with = name.find(" ["); with != name.npos && name.back() == ']') name = name.substr(0, with);
  std::size_t depth = 0;
  std::size_t start = 0;
  for (std::size_t i = 0; i < name.size() && name[i] != '('; ++i) {
    if (name[i] == '<') ++depth;
    if (name[i] == '>' && depth != 0) --depth;
    if (name[i] == ' ' && depth == 0) start = i + 1;
  }
  return std::string(name.substr(start));
}

std::string type_name(const std::type_info& type) { return demangle(type.name()); }

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

}  // namespace coil::detail
