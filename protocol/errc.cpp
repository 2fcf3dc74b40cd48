#include "protocol/errc.hpp"

namespace mpyd {
namespace {

// Pointers, for a microcontroller has all of them in its flash.
struct Row {
  Errc code;
  const char* name;
  const char* text;
};

// clang-format off
constexpr Row kRows[] = {
    {Errc::truncated,         "truncated",         "the data ends before its own lengths say"},
    {Errc::trailing,          "trailing",          "there is data after the end"},
    {Errc::bad_magic,         "bad_magic",         "this is not the expected format"},
    {Errc::bad_checksum,      "bad_checksum",      "a checksum does not match"},
    {Errc::malformed,         "malformed",         "a field contradicts the format"},
    {Errc::unsupported,       "unsupported",       "this needs a newer mpyd"},
    {Errc::limit,             "limit",             "a length or count is above its bound"},
    {Errc::blank,             "blank",             "the EEPROM is blank"},
    {Errc::undecided,         "undecided",         "the memory's address width cannot be told safely"},
    {Errc::bad_signature,     "bad_signature",     "a signature does not verify"},
    {Errc::threshold,         "threshold",         "too few valid signatures of trusted keys"},
    {Errc::bad_digest,        "bad_digest",        "the content is not what was signed"},
    {Errc::decryption,        "decryption",        "decryption failed"},
    {Errc::no_key,            "no_key",            "there is no fitting content key"},
    {Errc::untrusted,         "untrusted",         "no policy entry vouches for it"},
    {Errc::revoked,           "revoked",           "it was revoked"},
    {Errc::expired,           "expired",           "the trust document has expired"},
    {Errc::rollback,          "rollback",          "it is older than what is in force"},
    {Errc::policy,            "policy",            "the policy entry forbids it"},
    {Errc::wrong_hardware,    "wrong_hardware",    "the package is for other hardware"},
    {Errc::wrong_abi,         "wrong_abi",         "the native code is for another ABI"},
    {Errc::equivocation,      "equivocation",      "the same version has other content"},
    {Errc::no_driver,         "no_driver",         "no published driver fits"},
    {Errc::unknown_device,    "unknown_device",    "the device is not enrolled"},
    {Errc::replayed,          "replayed",          "the message does not belong to this exchange"},
    {Errc::key_retired,       "key_retired",       "the server has another key by now"},
    {Errc::unreachable,       "unreachable",       "the server cannot be reached"},
    {Errc::timeout,           "timeout",           "it took too long"},
    {Errc::not_approved,      "not_approved",      "the operator has yet to approve this device"},
    {Errc::io,                "io",                "storage or bus failed"},
    {Errc::memory,            "memory",            "there is not enough memory"},
    {Errc::no_device,         "no_device",         "the board is gone"},
    {Errc::driver_error,      "driver_error",      "the driver raised an exception"},
    {Errc::quarantined,       "quarantined",       "it took the motherboard down before"},
    {Errc::load_error,        "load_error",        "MicroPython's loader refused it"},
    {Errc::missing_module,    "missing_module",    "the firmware lacks a module the driver requires"},
    {Errc::power,             "power",             "the board asks for more current than is left"},
    {Errc::write_protected,   "write_protected",   "the EEPROM does not keep what is written to it"},
    {Errc::not_found,         "not_found",         "it does not exist"},
    {Errc::conflict,          "conflict",          "it exists already with other content"},
    {Errc::unauthorised,      "unauthorised",      "a valid token is needed"},
    {Errc::forbidden,         "forbidden",         "the token does not allow it"},
    {Errc::invalid_argument,  "invalid_argument",  "an argument is not valid"},
    {Errc::too_many_requests, "too_many_requests", "too many requests"},
    {Errc::changed,           "changed",           "it has changed since it was read"},
    {Errc::key_reused,        "key_reused",        "another request has the same key"},
    {Errc::in_progress,       "in_progress",       "the same request is being carried out"},
    {Errc::not_ready,         "not_ready",         "the server is not fit to work"},
    {Errc::internal,          "internal",          "an internal error"},
};
// clang-format on

constexpr const Row* find(Errc code) {
  for (const Row& row : kRows)
    if (row.code == code) return &row;
  return nullptr;
}

}  // namespace

std::string_view name(Errc code) {
  const Row* row = find(code);
  return row ? row->name : "unknown";
}

std::string_view describe(Errc code) {
  const Row* row = find(code);
  return row ? row->text : "a reason this version does not know";
}

}  // namespace mpyd
