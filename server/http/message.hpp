// What handlers see of HTTP: plain values, no sockets, no Beast.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/errc.hpp"
#include "server/domain/hardware_reach.hpp"
#include "server/util/bytes.hpp"

namespace mpyd::server::http {

// The start of a request, before its body is read.
struct RequestHead {
  std::string method;  // "GET" ...
  std::string path;    // percent-decoded segments are in `segments`
  std::vector<std::string> segments;
  std::vector<std::pair<std::string, std::string>> query;  // decoded
  std::string content_type;   // headers that something here reads; empty: absent
  std::string authorization;  // secret
  std::string range;
  std::string if_range;
  std::string if_none_match;
  std::string if_match;
  std::optional<std::string> idempotency_key;  // may be empty, which is none
  std::string request_id;  // the client's, if it is fit to be logged, or a fresh one
};

struct Request {
  RequestHead head;
  std::string body;
  std::vector<std::string> params;  // what the {...} of the route's pattern stand for
  std::string actor;                // who asks, for the audit log; empty on the device listener
  HardwareReach reach;              // what the bearer's token is limited to; of Limited::own

  MutableBytes bytes() { return std::as_writable_bytes(std::span(body)); }
  Bytes bytes() const { return std::as_bytes(std::span(body)); }
  // The value of a query parameter; empty if it is not there.
  std::string_view query(std::string_view name) const { return asked(name).value_or(""); }
  // Nothing if it is not there.
  std::optional<std::string_view> asked(std::string_view name) const {
    for (const auto& [key, value] : head.query)
      if (key == name) return value;
    return std::nullopt;
  }
};

struct Response {
  unsigned status = 200;
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> headers;  // further ones
  ByteVector body;
  // What If-Match guards: the body without what changes by itself. Nothing: all of the body.
  std::optional<ByteVector> guarded;
  bool is_secret = false;       // shown once, and kept nowhere
  std::optional<Errc> problem;  // which one this answer is
  // For HEAD: the length GET would have; the body is left out.
  std::optional<std::uint64_t> content_length;
};

}  // namespace mpyd::server::http
