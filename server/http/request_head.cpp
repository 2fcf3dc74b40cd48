#include "server/http/request_head.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <atomic>
#include <boost/beast/core/string.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <random>

namespace mpyd::server::http {
namespace {

namespace bhttp = boost::beast::http;

constexpr std::size_t kRequestIdMax = 64;
constexpr std::size_t kSegmentsMax = 16;
constexpr std::size_t kQueryMax = 16;

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= kRequestIdMax && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

// Unique, no secret: counts on from where this process happened to start.
std::string fresh_request_id() {
  static std::atomic<std::uint64_t> next = [] {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
  }();
  return fmt::format("{:016x}", next.fetch_add(1));
}

// "text/html; charset=utf-8" -> "text/html"
std::string media_type(std::string_view value) {
  value = value.substr(0, value.find(';'));
  while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
  return std::string(value);
}

// A list may come in several lines (RFC 9110, section 5.3).
template <class Name>
std::string list_field(const bhttp::request_header<>& header, const Name& name) {
  std::string out;
  const auto [first, last] = header.equal_range(name);
  for (auto line = first; line != last; ++line)
    out += (out.empty() ? "" : ", ") + std::string(line->value());
  return out;
}

// Beast takes a coding it does not know for no body at all; what follows would then be read as the
// next request, and a proxy before us may see it otherwise.
Result<void> check_framing(const bhttp::request_header<>& header) {
  const auto [first, last] = header.equal_range(bhttp::field::transfer_encoding);
  if (std::any_of(first, last, [](const auto& coding) {
        return !boost::beast::iequals(coding.value(), "chunked");
      }))
    return fail(Errc::malformed, "the only Transfer-Encoding taken is chunked");
  if (first != last && header.version() < 11)
    return fail(Errc::malformed, "HTTP/1.0 knows no Transfer-Encoding");
  if (header.count(bhttp::field::content_length) > 1 ||
      header[bhttp::field::content_length].find(',') != std::string_view::npos)
    return fail(Errc::malformed, "there is more than one Content-Length");
  const std::size_t hosts = header.count(bhttp::field::host);
  if (hosts == 0 && header.version() >= 11)
    return fail(Errc::malformed, "an HTTP/1.1 request needs a Host");
  // A blank in it is another header that was folded into this one.
  if (hosts > 1 || header[bhttp::field::host].find_first_of(" \t,") != std::string_view::npos)
    return fail(Errc::malformed, "there is more than one Host");
  return {};
}

}  // namespace

Result<void> read_head(const bhttp::request_header<>& header, RequestHead& out) {
  const auto field = [&](auto name) { return std::string(header[name]); };
  out.method = std::string(header.method_string());
  out.request_id = field("X-Request-Id");
  if (!is_request_id(out.request_id)) out.request_id = fresh_request_id();
  out.content_type = media_type(header[bhttp::field::content_type]);
  out.authorization = field(bhttp::field::authorization);
  out.range = field(bhttp::field::range);
  out.if_range = field(bhttp::field::if_range);
  out.if_none_match = list_field(header, bhttp::field::if_none_match);
  out.if_match = list_field(header, bhttp::field::if_match);
  if (header.count("Idempotency-Key") != 0)
    out.idempotency_key = list_field(header, "Idempotency-Key");

  MPYD_TRY(check_framing(header));
  const auto target = boost::urls::parse_origin_form(header.target());
  if (!target) return fail(Errc::malformed, "the request target is no path");
  const auto segments = target->segments();
  const auto params = target->params();
  if (segments.size() > kSegmentsMax || params.size() > kQueryMax)
    return fail(Errc::malformed, "the request target has too many parts");
  out.path = std::string(target->encoded_path());
  for (const auto& segment : segments) out.segments.emplace_back(segment);
  for (const auto& param : params) out.query.emplace_back(param.key, param.value);
  return {};
}

}  // namespace mpyd::server::http
