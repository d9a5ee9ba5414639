#pragma once
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <coil/message_pipe.hpp>

namespace coil::detail {

/// What goes to another process and back: bytes that mean the same there.
template <class T>
concept Carried = std::same_as<T, std::string> || MessageValue<T>;

/// As what a value of this type is carried: text of any kind as a `std::string`.
template <class T>
using CarriedAs =
    std::conditional_t<std::convertible_to<std::decay_t<T>, std::string_view>, std::string, std::decay_t<T>>;

void put_text(std::string& bytes, std::string_view text);

template <Carried T>
void put(std::string& bytes, const T& value) {
  if constexpr (std::same_as<T, std::string>)
    put_text(bytes, value);
  else
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// Takes values out of bytes, in the order in which they were put.
class JobReader {
public:
  explicit JobReader(std::string_view bytes) noexcept : rest_(bytes) {}
  template <Carried T>
  T take() {
    if constexpr (std::same_as<T, std::string>)
      return take_text();
    else
      return value_from<T>(take_bytes(sizeof(T)).data());
  }

private:
  std::string take_text();
  std::string_view take_bytes(std::size_t size);
  std::string_view rest_;
};

/// Runs a job in the worker. Its address means the same there, because the worker is a copy of this process.
using JobFunction = void (*)(JobReader& job, std::string& result);

template <class F, class R, class... Args>
void run_job(JobReader& job, std::string& result) {
  std::tuple<F, Args...> call{job.take<F>(), job.take<Args>()...};  // in this order
  const auto invoke = [](F& function, Args&... args) -> decltype(auto) { return function(std::move(args)...); };
  if constexpr (std::is_void_v<R>)
    std::apply(invoke, call);
  else
    put<R>(result, std::apply(invoke, call));
}

/// Functions and closures without captures.
template <class F>
concept CarriedFunction = (std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>) ||
                          (std::is_empty_v<F> && std::is_trivially_copyable_v<F>);

/// A function pointer is carried as a value of its own, which a pointer is not.
template <class F>
struct CarriedCall {
  F function;
  template <class... Args>
  decltype(auto) operator()(Args&&... args) {
    return function(std::forward<Args>(args)...);
  }
};

template <class F, class... Args>
struct ProcessJob {
  static_assert(CarriedFunction<F>,
                "coil: only a function or a lambda without captures can run in another process: what a capture refers "
                "to is not there. Pass values as arguments");
  static_assert(std::is_invocable_v<F&, CarriedAs<Args>...>,
                "coil: this function cannot be called with these arguments");
  static_assert((Carried<CarriedAs<Args>> && ...),
                "coil: arguments for another process are trivially copyable, and no pointers, or std::string");
  using Returned = std::invoke_result_t<F&, CarriedAs<Args>...>;
  using Result = std::conditional_t<std::is_void_v<Returned>, void, std::decay_t<Returned>>;
  static_assert(std::is_void_v<Result> || Carried<Result>,
                "coil: the result of a function in another process is trivially copyable, and no pointer, or "
                "std::string");

  static std::string request(const F& function, const std::remove_reference_t<Args>&... args) {
    const JobFunction run = run_job<CarriedCall<F>, Result, CarriedAs<Args>...>;
    std::string bytes(reinterpret_cast<const char*>(&run), sizeof run);
    put(bytes, CarriedCall<F>{function});
    (put(bytes, CarriedAs<Args>(args)), ...);
    return bytes;
  }
};

/// The value that a worker sent back, after `Coro<std::string>` has thrown what it sent instead.
template <class R>
Coro<R> take_job_result(Coro<std::string> running) {
  const std::string bytes = co_await std::move(running);
  if constexpr (!std::is_void_v<R>) co_return JobReader(bytes).take<R>();
}

}  // namespace coil::detail
