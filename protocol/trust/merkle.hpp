// The Merkle tree over policy entries: leaf = SHA-256(0x00 || entry), node = SHA-256(0x01 || l ||
// r). The shape is RFC 9162's: a tree of n leaves splits at the largest power of two below n.
#pragma once

#include "protocol/digest.hpp"
#include "protocol/inline_buffer.hpp"
#include "protocol/limits.hpp"

namespace mpyd::trust {

Digest merkle_leaf(Bytes entry);
Digest merkle_node(const Digest& left, const Digest& right);

// Does `path` lead from leaf number `index` of `count` to `root`? Constant memory.
bool merkle_includes(const Digest& leaf, std::uint32_t index, std::uint32_t count,
                     std::span<const Digest> path, const Digest& root);

// Signers' side: root and proof over all leaves. The root of no leaves is SHA-256("").
// Iterative over a stack of at most 32 digests.
Digest merkle_root(std::span<const Digest> leaves);
InlineVector<Digest, kProofDigestsMax> merkle_proof(std::span<const Digest> leaves,
                                                    std::size_t index);

}  // namespace mpyd::trust
