// Holds protocol/limits.hpp and the bounds in schema/mpyd/v1/*.options together.
#include "protocol/limits.hpp"

#include "mpyd/v1/device.npb.h"
#include "mpyd/v1/package.npb.h"
#include "mpyd/v1/trust.npb.h"

namespace mpyd {
namespace {

#define MPYD_SAME_LENGTH(message, field, bound) \
  static_assert(sizeof(message::field) / sizeof(message::field[0]) == (bound))

// Strings carry a NUL.
MPYD_SAME_LENGTH(mpyd_v1_Manifest, hardware_id, kHardwareIdMax + 1);
MPYD_SAME_LENGTH(mpyd_v1_Manifest, driver_name, kDriverNameMax + 1);
MPYD_SAME_LENGTH(mpyd_v1_Manifest, version, kVersionMax + 1);
MPYD_SAME_LENGTH(mpyd_v1_Manifest, required_modules, kRequiresMax);
MPYD_SAME_LENGTH(mpyd_v1_RoleKeys, keys, kRoleKeysMax);
MPYD_SAME_LENGTH(mpyd_v1_SignedDocument, signatures, kDocumentSignaturesMax);
MPYD_SAME_LENGTH(mpyd_v1_TargetsHead, revoked_keys, kRevokedKeysMax);
MPYD_SAME_LENGTH(mpyd_v1_PolicyEntry, publisher_keys, kPublisherKeysMax);
MPYD_SAME_LENGTH(mpyd_v1_PolicyEntry, revoked_digests, kEntryDigestsMax);
MPYD_SAME_LENGTH(mpyd_v1_PolicyEntry, approved_digests, kEntryDigestsMax);
MPYD_SAME_LENGTH(mpyd_v1_PolicyEntry, pinned_digests, kEntryPinsMax);
MPYD_SAME_LENGTH(mpyd_v1_EntryProof, path, kProofDigestsMax);
MPYD_SAME_LENGTH(mpyd_v1_SlotAnswer, hardware_id, kHardwareIdMax + 1);
static_assert(mpyd_v1_Manifest_size <= kManifestBytesMax);
static_assert(mpyd_v1_PolicyEntry_size <= kEntryBytesMax);

}  // namespace
}  // namespace mpyd
