#include "protocol/sync/report.hpp"

namespace mpyd::sync {

std::string_view name(SlotState state) {
  switch (state) {
    case SlotState::empty:
      return "empty";
    case SlotState::identifying:
      return "identifying";
    case SlotState::unidentified:
      return "unidentified";
    case SlotState::waiting:
      return "waiting";
    case SlotState::fetching:
      return "fetching";
    case SlotState::verifying:
      return "verifying";
    case SlotState::running:
      return "running";
    case SlotState::refused:
      return "refused";
  }
  return "unknown";
}

std::string_view name(EventKind kind) {
  switch (kind) {
    case EventKind::plugged:
      return "plugged";
    case EventKind::identified:
      return "identified";
    case EventKind::unidentified:
      return "unidentified";
    case EventKind::chosen:
      return "chosen";
    case EventKind::loaded:
      return "loaded";
    case EventKind::refused:
      return "refused";
    case EventKind::removed:
      return "removed";
    case EventKind::synced:
      return "synced";
    case EventKind::offline:
      return "offline";
    case EventKind::trust_changed:
      return "trust_changed";
    case EventKind::stored:
      return "stored";
    case EventKind::stuck:
      return "stuck";
  }
  return "unknown";
}

}  // namespace mpyd::sync
