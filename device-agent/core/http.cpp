#include "device-agent/core/http.hpp"

#include "protocol/decimal.hpp"

namespace mpyd::agent {
namespace {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The value of header `name` (lower case) if `line` is that header, without leading blanks.
bool header_value(std::string_view line, std::string_view name, std::string_view& value) {
  if (line.size() <= name.size() || line[name.size()] != ':') return false;
  for (std::size_t i = 0; i < name.size(); ++i)
    if (lower(line[i]) != name[i]) return false;
  value = part_of(line, name.size() + 1);
  while (!value.empty() && (value[0] == ' ' || value[0] == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  return true;
}

Result<std::uint32_t> parse_number(std::string_view text) {
  if (text.empty() || text.size() > 9) return fail(Errc::malformed);
  std::uint32_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return fail(Errc::malformed);
    value = value * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return value;
}

}  // namespace

Result<HttpRequestHead> format_http_request(std::string_view path, std::string_view host,
                                            std::size_t body_bytes) {
  HttpRequestHead out;
  bool fits = out.append(body_bytes == 0 ? "GET " : "POST ") && out.append(path) &&
              out.append(" HTTP/1.1\r\nHost: ") && out.append(host) &&
              out.append("\r\nConnection: close\r\n");
  if (body_bytes != 0)
    fits = fits && out.append("Content-Type: application/vnd.mpyd.sync\r\nContent-Length: ") &&
           append_decimal(out, body_bytes) && out.append("\r\n");
  if (!fits || !out.append("\r\n")) return fail(Errc::limit);
  return out;
}

Result<Bytes> HttpResponse::feed(Bytes bytes) {
  while (!head_done_ && !bytes.empty()) {
    const char c = as_text(bytes.first(1))[0];
    bytes = bytes.subspan(1);
    if (++head_bytes_ > kHeadBytesMax) return fail(Errc::limit);
    if (c == '\n')
      MPYD_TRY(finish_line());
    else if (c != '\r')
      line_.append(c);
  }
  if (!head_done_) return Bytes{};
  if (bytes.size() > content_length_ - received_) return fail(Errc::malformed);
  received_ += static_cast<std::uint32_t>(bytes.size());
  return bytes;
}

Result<void> HttpResponse::finish_line() {
  const std::string_view line = line_.view();
  std::string_view value;
  if (status_ == 0) {
    if (line.size() < 12 || !line.starts_with("HTTP/1.") || line[8] != ' ')
      return fail(Errc::malformed);
    MPYD_TRY_ASSIGN(status_, parse_number(part_of(line, 9, 3)));
    if (status_ < 200) return fail(Errc::malformed);
  } else if (line.empty()) {
    if (!has_length_) return fail(Errc::malformed);
    if (content_length_ > body_bytes_max_) return fail(Errc::limit);
    head_done_ = true;
  } else if (header_value(line, "content-length", value)) {
    MPYD_TRY_ASSIGN(const std::uint32_t length, parse_number(value));
    if (has_length_ && length != content_length_) return fail(Errc::malformed);
    content_length_ = length;
    has_length_ = true;
  } else if (header_value(line, "transfer-encoding", value)) {
    return fail(Errc::malformed);
  }
  line_.clear();
  return {};
}

}  // namespace mpyd::agent
