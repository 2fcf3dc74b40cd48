// One line of the audit log.
#pragma once

#include <cstdint>
#include <string>

namespace mpyd::server {

struct AuditEvent {
  std::uint64_t time_unix_s = 0;
  std::string actor;          // "token:<name>", "device:<id>", "init"
  std::string action;         // "publish", "yank", "device-enroll" ...
  std::string subject;        // what it was done to
  std::string detail = "{}";  // a JSON object
};

struct AuditRow {
  std::uint64_t id = 0;
  AuditEvent event;
};

}  // namespace mpyd::server
