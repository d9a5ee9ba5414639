#pragma once
#include <source_location>
#include <string>
#include <string_view>
#include <typeinfo>

namespace coil::detail {

/// The readable name of the function that `where` lies in: "server(int)", "main()::lambda(int)".
std::string function_name(const std::source_location& where);
std::string function_name(std::string_view written);  // as std::source_location has it
/// The same without parameters: "server".
std::string coroutine_name(const std::source_location& where);
/// "server(int) (server.cpp:12)", with the file's last component only.
std::string describe(const std::source_location& where);
/// Whether it lies in a coroutine that does nothing but keep a callable: of no interest to the reader of a trace.
bool only_keeps_a_callable(std::string_view file) noexcept;
inline bool only_keeps_a_callable(const std::source_location& where) noexcept {
  return only_keeps_a_callable(where.file_name());
}
std::string type_name(const std::type_info& type);
/// Each line two columns further right.
std::string indented(std::string_view lines);
/// What the compiler spells out for F in the `__PRETTY_FUNCTION__` of a member of `template <class F, class... Args>`.
std::string template_argument(const char* pretty_function);

}  // namespace coil::detail
