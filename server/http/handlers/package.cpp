// GET and HEAD /v1/packages/<sha256>: ciphertext that never changes; any cache may keep it.
#include <charconv>

#include "server/http/entity_tag.hpp"
#include "server/http/handlers/handlers.hpp"
#include "server/http/problem.hpp"

namespace mpyd::server::http::handlers {
namespace {

struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;  // inclusive
};

enum class RangeAnswer : std::uint8_t { whole, part, unsatisfiable };

bool read_digits(std::string_view text, std::uint64_t& out) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  return failed == std::errc{} && end == text.data() + text.size();
}

// RFC 9110, section 14: one range in bytes; what is malformed, or several ranges, is ignored.
RangeAnswer read_range(std::string_view header, std::uint64_t size, ByteRange& out) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit)) return RangeAnswer::whole;
  header.remove_prefix(kUnit.size());
  const std::size_t dash = header.find('-');
  if (dash == std::string_view::npos) return RangeAnswer::whole;
  const std::string_view first = header.substr(0, dash);
  const std::string_view last = header.substr(dash + 1);
  if (first.empty()) {
    std::uint64_t count = 0;
    if (!read_digits(last, count)) return RangeAnswer::whole;
    if (count == 0) return RangeAnswer::unsatisfiable;
    out = {count < size ? size - count : 0, size - 1};
    return RangeAnswer::part;
  }
  out.last = size - 1;
  if (!read_digits(first, out.first) || (!last.empty() && !read_digits(last, out.last)))
    return RangeAnswer::whole;
  if (!last.empty() && out.last < out.first) return RangeAnswer::whole;
  if (out.first >= size) return RangeAnswer::unsatisfiable;
  if (out.last >= size) out.last = size - 1;
  return RangeAnswer::part;
}

Response start(const std::string& etag) {
  return {.content_type = "application/octet-stream",
          .headers = {{"ETag", etag},
                      {"Cache-Control", "public, max-age=31536000, immutable"},
                      {"Accept-Ranges", "bytes"}}};
}

Response unsatisfiable(const Request& request, std::uint64_t size) {
  Response problem =
      problem_response(416, Errc::invalid_argument,
                       "the package has " + std::to_string(size) + " bytes", request.head);
  problem.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
  return problem;
}

}  // namespace

Result<Response> get_package(const DeviceApi& api, Request& request) {
  const auto digest = parse_digest(request.params[0]);
  if (!digest)
    return fail(Errc::not_found, "a package is named by the 64 hex digits of its SHA-256");
  MPYD_TRY_ASSIGN(const auto none, api.releases.package_part(*digest, 0, 0));
  const std::uint64_t size = none.package_bytes;
  const std::string etag = '"' + std::string(format_digest(*digest).view()) + '"';
  Response response = start(etag);
  if (!request.head.if_none_match.empty() && names_all(request.head.if_none_match, etag)) {
    response.status = 304;
    return response;
  }
  if (request.head.method == "HEAD") {
    response.content_length = size;
    return response;
  }
  ByteRange range;
  RangeAnswer answer = RangeAnswer::whole;
  // A range counts only for the representation the client has, which here never changes.
  if (request.head.if_range.empty() || request.head.if_range == etag)
    answer = read_range(request.head.range, size, range);
  if (answer == RangeAnswer::unsatisfiable) return unsatisfiable(request, size);
  if (answer == RangeAnswer::whole) range = {0, size - 1};
  MPYD_TRY_ASSIGN(auto part,
                  api.releases.package_part(*digest, range.first, range.last - range.first + 1));
  response.body = std::move(part.bytes);
  if (answer == RangeAnswer::whole) return response;
  response.status = 206;
  response.headers.emplace_back("Content-Range", "bytes " + std::to_string(range.first) + "-" +
                                                     std::to_string(range.last) + "/" +
                                                     std::to_string(size));
  return response;
}

}  // namespace mpyd::server::http::handlers
