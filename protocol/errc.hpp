// The closed set of reasons. Agents report these numbers and servers store them: never reuse one.
#pragma once

#include <cstdint>
#include <string_view>

namespace mpyd {

enum class Errc : std::uint16_t {
  // the bytes
  truncated = 1,     // ends before its own lengths say
  trailing = 2,      // bytes after the end
  bad_magic = 3,     // not this format at all
  bad_checksum = 4,  // a checksum of the format does not match
  malformed = 5,     // a field contradicts the format
  unsupported = 6,   // a newer format or min_reader than this reader knows
  limit = 7,         // a length, count or depth above its bound
  blank = 8,         // an EEPROM nobody wrote yet
  undecided = 9,     // a memory whose address width cannot be told without a risk to its content
  // authenticity
  bad_signature = 20,  // a signature by a named key does not verify
  threshold = 21,      // fewer distinct valid signatures than required
  bad_digest = 22,     // content is not what was signed or asked for
  decryption = 23,     // authenticated decryption failed
  no_key = 24,         // no content key, or one that does not fit the commitment
  // trust
  untrusted = 40,       // no policy entry names this hardware ID, or not this publisher
  revoked = 41,         // the key or the package was revoked
  expired = 42,         // a trust document's time is over
  rollback = 43,        // older than what is in force, or below the floor
  policy = 44,          // an entry's rules forbid it: source, mode or pin
  wrong_hardware = 45,  // a package of another hardware ID or revision
  wrong_abi = 46,       // native code of another ABI
  equivocation = 47,    // same version, other content
  // the server
  no_driver = 60,       // nothing published fits
  unknown_device = 61,  // this device key is not enrolled here
  replayed = 62,        // a sync that is not the answer to this request, or an old counter
  key_retired = 63,     // the server has another key by now
  unreachable = 64,     // no connection, or it broke
  timeout = 65,         // too slow
  not_approved = 66,    // the operator has yet to approve this device
  // the motherboard
  io = 80,               // storage or bus failed
  memory = 81,           // not enough memory
  no_device = 82,        // the board is gone
  driver_error = 83,     // the driver's own code raised
  quarantined = 84,      // it took the motherboard down before
  load_error = 85,       // MicroPython's loader refused verified bytes
  missing_module = 86,   // firmware lacks a built-in module the driver requires
  power = 87,            // the board asks for more current than is left
  write_protected = 88,  // the memory does not keep what is written to it
  // requests
  not_found = 100,
  conflict = 101,
  unauthorised = 102,
  forbidden = 103,
  invalid_argument = 104,
  too_many_requests = 105,
  changed = 110,      // it is not what the request expected any more
  key_reused = 111,   // another request has this Idempotency-Key
  in_progress = 112,  // the same request is being carried out
  not_ready = 113,    // the server is not fit to work
  internal = 127,
};

// The enumerator's name, e.g. "bad_signature"; "unknown" for a number from a newer peer.
std::string_view name(Errc code);

// One plain sentence for people, without a full stop.
std::string_view describe(Errc code);

}  // namespace mpyd
