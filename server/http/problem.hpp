// Errors as application/problem+json (RFC 9457). schema/problems.md lists them for readers.
#pragma once

#include <boost/json/fwd.hpp>

#include "server/http/message.hpp"
#include "server/util/error.hpp"

namespace mpyd::server::http {

struct ProblemKind {
  Errc code;
  unsigned status;
  std::string_view hint;  // what to do
};

// The row of a code; unknown codes are internal errors.
const ProblemKind& problem_kind(Errc code);
std::span<const ProblemKind> problem_kinds();

// 5xx answers carry no text from inside.
Response problem_response(const Error& error, const RequestHead& head);
// For what is wrong with the HTTP itself: 404, 405, 413, 415 ...
Response problem_response(unsigned status, Errc code, const std::string& detail,
                          const RequestHead& head);
// With a member of its own besides the usual ones. `detail` is told whatever the status: it must
// hold nothing from inside.
Response problem_response(Errc code, const std::string& detail, std::string_view member,
                          const boost::json::value& value, const RequestHead& head);

std::string_view reason_phrase(unsigned status);

}  // namespace mpyd::server::http
