#include <fmt/format.h>

#include <limits>

#include "server/http/handlers/clones.hpp"
#include "server/http/handlers/fields.hpp"
#include "server/http/handlers/handlers.hpp"
#include "server/http/json_response.hpp"
#include "server/util/clock.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::http::handlers {
namespace {

namespace json = boost::json;

// What is asked: a board on a motherboard, which may be one that is enrolled.
struct Question {
  Board board;
  std::optional<DeviceService::Detail> device;
  std::vector<DeviceSlot> slots;  // of the device: its boards of this hardware ID
};

// As given, or as the device last reported it.
Result<Abi> asked_abi(const Request& request, const Question& question) {
  if (const auto text = request.query("abi"); !text.empty()) return read_device_abi(text);
  if (!question.device) return fail(Errc::invalid_argument, "name a device or an abi");
  const Device& device = question.device->device;
  if (device.last_seen_unix_s == 0)
    return fail(Errc::conflict,
                "the device " + device.id + " has not told its ABI yet; one has to be named (abi)");
  return device.abi;
}

// As given; that of the board which the device reports; 0.
Result<std::uint32_t> asked_revision(const Request& request, const Question& question) {
  const auto text = request.asked("revision");
  if (!text) return question.slots.empty() ? 0U : question.slots.front().revision;
  MPYD_TRY_ASSIGN(const std::uint64_t revision,
                  read_number("revision", *text, std::numeric_limits<std::uint32_t>::max()));
  return static_cast<std::uint32_t>(revision);
}

Result<Question> read_question(const AdminApi& api, const Request& request) {
  Question out;
  MPYD_TRY_ASSIGN(out.board.hardware_id, read_hardware_id(request.query("hardware_id")));
  MPYD_TRY(request.reach.check(out.board.hardware_id));
  const std::string_view id = request.query("device");
  if (!id.empty()) {
    if (request.reach.is_limited())
      return fail(Errc::forbidden,
                  "what a device reports needs 'read' without a limit; give abi= instead");
    MPYD_TRY_ASSIGN(out.device, api.devices.show(id));
    for (const DeviceSlot& slot : out.device->slots)
      if (slot.hardware_id == out.board.hardware_id.view()) out.slots.push_back(slot);
  }
  MPYD_TRY_ASSIGN(out.board.device, asked_abi(request, out));
  MPYD_TRY_ASSIGN(out.board.revision, asked_revision(request, out));
  MPYD_TRY_ASSIGN(out.board, api.resolve.with_pin(out.board, id));
  return out;
}

json::object chosen_json(const Resolution::Chosen& chosen) {
  json::object out{{"driver_name", chosen.driver_name.view()},
                   {"version", chosen.version.view()},
                   {"release", chosen.release},
                   {"abi", format_abi(chosen.variant.abi).view()},
                   {"digest", to_hex(chosen.variant.digest.bytes())},
                   {"bytes", chosen.variant.package_bytes},
                   {"unchecked", chosen.variant.unchecked},
                   {"deprecated", nullptr}};
  if (!chosen.deprecated.empty()) out["deprecated"] = chosen.deprecated;
  return out;
}

// What the device last said of its boards of this hardware ID.
json::array reported_json(const Question& question) {
  json::array out;
  for (const DeviceSlot& slot : question.slots) {
    json::object row{{"slot", slot.slot},
                     {"revision", slot.revision},
                     {"state", slot_state_name(slot.state)},
                     {"error", nullptr},
                     {"reason", nullptr},
                     {"loaded_digest", nullptr},
                     {"since_unix_s", slot.since_unix_s},
                     {"clones", clones_json(*question.device, slot.slot)}};
    if (slot.error != 0) {
      row["error"] = name(static_cast<Errc>(slot.error));
      row["reason"] = describe(static_cast<Errc>(slot.error));
    }
    if (!slot.loaded_digest.is_zero()) row["loaded_digest"] = to_hex(slot.loaded_digest.bytes());
    out.push_back(std::move(row));
  }
  return out;
}

// thermo 1.0.0, release 1; or its digest, if no such package is published here.
std::string running_text(const AdminApi& api, const Digest& digest) {
  const auto release = api.catalog.package(digest);
  if (!release) return "the package " + to_hex(digest.bytes()) + ", which was not published here";
  return fmt::format("{} {}, release {}", release->driver_name.view(), release->version.view(),
                     release->release);
}

// What the motherboard made of the choice, as far as it has told.
std::string outcome_of(const AdminApi& api, const DeviceSlot& slot,
                       const std::optional<Resolution::Chosen>& chosen) {
  const std::string start = "slot " + std::to_string(slot.slot) + " last reported: ";
  if (slot.error != 0)
    return start + std::string(slot_state_name(slot.state)) + ", " +
           std::string(describe(static_cast<Errc>(slot.error))) +
           (chosen ? "; the motherboard refused, whatever the server chose" : "");
  if (slot.loaded_digest.is_zero()) return start + std::string(slot_state_name(slot.state));
  if (chosen && slot.loaded_digest == chosen->variant.digest) return start + "it runs this package";
  return start + "it still runs " + running_text(api, slot.loaded_digest) +
         (chosen ? "; its next sync changes that" : "; it gets that no more");
}

// The whole answer for people, a sentence each.
json::array sentences_of(const AdminApi& api, const Question& question,
                         const Resolution& resolution) {
  json::array out;
  out.emplace_back(resolution.message);
  if (const auto expired = api.trust.expired_unix_s())
    out.emplace_back("the policy expired at " + format_time(*expired) +
                     ": motherboards that know the time refuse every driver until mpyd trust renew "
                     "signs it anew");
  if (resolution.chosen && !resolution.chosen->deprecated.empty())
    out.emplace_back("this release is deprecated: " + resolution.chosen->deprecated);
  if (resolution.chosen && resolution.chosen->variant.unchecked)
    out.emplace_back("nobody here saw what is in it: it is not sealed to this server");
  if (question.board.pinned_release != 0)
    out.emplace_back("the operator pinned this motherboard to release " +
                     std::to_string(question.board.pinned_release) +
                     " of it; mpyd device unpin takes that back");
  if (!resolution.withdrawn_fitting.empty())
    out.emplace_back("packages that are yanked are avoided, also by motherboards that hold them: " +
                     std::to_string(resolution.withdrawn_fitting.size()));
  for (const DeviceSlot& slot : question.slots)
    out.emplace_back(outcome_of(api, slot, resolution.chosen));
  if (question.device && question.slots.empty())
    out.emplace_back("the motherboard reports no such board now");
  return out;
}

}  // namespace

Result<Response> explain(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const Question question, read_question(api, request));
  MPYD_TRY_ASSIGN(const Explanation explanation, api.resolve.explain(question.board));

  json::array rejected;
  for (const Explanation::Rejected& row : explanation.rejected)
    rejected.push_back(json::object{{"version", row.version.view()},
                                    {"release", row.release},
                                    {"abi", row.abi.view()},
                                    {"digest", to_hex(row.digest.bytes())},
                                    {"reason", row.reason}});
  const Resolution& resolution = explanation.resolution;
  json::object body{{"chosen", nullptr},
                    {"message", resolution.message},
                    {"sentences", sentences_of(api, question, resolution)},
                    {"pinned_release", nullptr},
                    {"reported", reported_json(question)},
                    {"rejected", std::move(rejected)}};
  if (question.board.pinned_release != 0) body["pinned_release"] = question.board.pinned_release;
  if (resolution.chosen)
    body["chosen"] = chosen_json(*resolution.chosen);
  else
    body["code"] = name(resolution.code);
  return json_response(200, body);
}

}  // namespace mpyd::server::http::handlers
