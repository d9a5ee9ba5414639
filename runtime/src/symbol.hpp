#pragma once
#include <source_location>
#include <string>
#include <typeinfo>

namespace coil::detail {

/// The readable name of the function that `where` lies in: "server(int)".
std::string function_name(const std::source_location& where);
/// "server(int) (server.cpp:12)", with the file's last component only.
std::string describe(const std::source_location& where);
std::string type_name(const std::type_info& type);

}  // namespace coil::detail
