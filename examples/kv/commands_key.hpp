// Commands on keys.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "commands_string.hpp"
#include "glob.hpp"
#include "service.hpp"

namespace kv::detail {

inline void del(Call& call) {
  std::int64_t count = 0;
  for (std::size_t i = 1; i < call.size(); ++i) count += call.store().erase(call[i]);
  if (count != 0) call.service.log_request(call.words);
  call.out.integer(count);
}

inline void exists(Call& call) {
  std::int64_t count = 0;
  for (std::size_t i = 1; i < call.size(); ++i) count += call.store().find(call[i]) != nullptr;
  call.out.integer(count);
}

inline void type(Call& call) { call.out.simple(call.store().find(call[1]) ? "string" : "none"); }

struct ExpireOptions {
  bool nx = false, xx = false, gt = false, lt = false;
};

inline std::optional<ExpireOptions> expire_options(Call& call) {
  ExpireOptions options;
  for (std::size_t i = 3; i < call.size(); ++i) {
    if (call.is(i, "nx")) {
      options.nx = true;
    } else if (call.is(i, "xx")) {
      options.xx = true;
    } else if (call.is(i, "gt")) {
      options.gt = true;
    } else if (call.is(i, "lt")) {
      options.lt = true;
    } else {
      call.out.error("ERR Unsupported option " + std::string(up_to_nul(call[i], SIZE_MAX)));
      return std::nullopt;
    }
  }
  if (options.nx && (options.xx || options.gt || options.lt))
    call.out.error("ERR NX and XX, GT or LT options at the same time are not compatible");
  else if (options.gt && options.lt)
    call.out.error("ERR GT and LT options at the same time are not compatible");
  else
    return options;
  return std::nullopt;
}

/// EXPIRE and those like it: `seconds` or ms, from now or since 1970.
inline void set_expiry(Call& call, bool seconds, bool absolute) {
  const auto options = expire_options(call);
  if (!options) return;
  const auto given = parse_integer(call[2]);
  if (!given) return call.out.error(not_an_integer);
  Store& store = call.store();
  std::int64_t when = 0;
  if (__builtin_mul_overflow(*given, seconds ? 1000 : 1, &when)) return refuse_expiry(call);
  if (!absolute && __builtin_add_overflow(when, store.now(), &when)) return refuse_expiry(call);

  Store::Item* item = store.find(call[1]);
  if (item == nullptr) return call.out.integer(0);
  const std::int64_t old = item->second.expires;
  const bool has = old != never;
  if ((options->nx && has) || (options->xx && !has) || (options->gt && (!has || when <= old)) ||
      (options->lt && has && when >= old))
    return call.out.integer(0);
  if (when <= store.now() || when < 0) {
    store.erase(call[1]);
    call.service.log_record({"DEL", call[1]});
  } else {
    store.set_expires(*item, when);
    call.service.log_record({"PEXPIREAT", call[1], Decimal(when)});
  }
  call.out.integer(1);
}

inline void expire(Call& call) { set_expiry(call, true, false); }
inline void pexpire(Call& call) { set_expiry(call, false, false); }
inline void expireat(Call& call) { set_expiry(call, true, true); }
inline void pexpireat(Call& call) { set_expiry(call, false, true); }

/// TTL and those like it.
inline void tell_expiry(Call& call, bool seconds, bool absolute) {
  const Store::Item* item = call.store().find(call[1]);
  if (item == nullptr) return call.out.integer(-2);
  const std::int64_t expires = item->second.expires;
  if (expires == never) return call.out.integer(-1);
  const std::int64_t ms = absolute ? expires : expires - call.store().now();
  call.out.integer(seconds ? ms / 1000 + (ms % 1000 + 500) / 1000 : ms);
}

inline void ttl(Call& call) { tell_expiry(call, true, false); }
inline void pttl(Call& call) { tell_expiry(call, false, false); }
inline void expiretime(Call& call) { tell_expiry(call, true, true); }
inline void pexpiretime(Call& call) { tell_expiry(call, false, true); }

inline void persist(Call& call) {
  Store::Item* item = call.store().find(call[1]);
  if (item == nullptr || item->second.expires == never) return call.out.integer(0);
  call.store().set_expires(*item, never);
  call.service.log_record({"PERSIST", call[1]});
  call.out.integer(1);
}

inline void keys(Call& call) {
  std::size_t count = 0;
  Output found(reply_size_max);
  for (const auto& [key, entry] : call.store().items()) {
    if (entry.expired(call.store().now()) || !matches(call[1], key)) continue;
    found.bulk(key);
    if (found.overrun()) break;
    ++count;
  }
  call.out.array(count);
  call.out.add(found.text());
}

inline void dbsize(Call& call) { call.out.integer(static_cast<std::int64_t>(call.store().size())); }

inline void flush(Call& call) {  // FLUSHALL, FLUSHDB
  if (call.size() > 2 || (call.size() == 2 && !call.is(1, "async") && !call.is(1, "sync"))) return refuse_syntax(call);
  call.store().clear();
  call.service.log_record({"FLUSHALL"});
  call.out.simple("OK");
}

}  // namespace kv::detail
