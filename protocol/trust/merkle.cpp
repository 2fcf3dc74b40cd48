#include "protocol/trust/merkle.hpp"

#include <array>

#include "protocol/crypto.hpp"

namespace mpyd::trust {
namespace {

Digest hash_with_tag(std::byte tag, Bytes first, Bytes second) {
  crypto::Sha256 hash;
  hash.update({&tag, 1});
  hash.update(first);
  hash.update(second);
  return hash.finish();
}

}  // namespace

Digest merkle_leaf(Bytes entry) { return hash_with_tag(std::byte{0}, entry, {}); }

Digest merkle_node(const Digest& left, const Digest& right) {
  return hash_with_tag(std::byte{1}, left.bytes(), right.bytes());
}

// RFC 9162, 2.1.3.2.
bool merkle_includes(const Digest& leaf, std::uint32_t index, std::uint32_t count,
                     std::span<const Digest> path, const Digest& root) {
  if (index >= count) return false;
  std::uint32_t node = index;
  std::uint32_t last = count - 1;
  Digest digest = leaf;
  for (const Digest& sibling : path) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      digest = merkle_node(sibling, digest);
      while ((node & 1) == 0 && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      digest = merkle_node(digest, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && digest == root;
}

Digest merkle_root(std::span<const Digest> leaves) {
  if (leaves.empty()) return crypto::sha256({});
  // Complete subtrees from left to right, each larger than the next: the binary digits of the
  // count.
  std::array<Digest, 32> stack;
  std::size_t depth = 0;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    Digest digest = leaves[i];
    for (std::size_t bits = i; (bits & 1) != 0; bits >>= 1)
      digest = merkle_node(stack[--depth], digest);
    stack[depth++] = digest;
  }
  Digest root = stack[--depth];
  while (depth > 0) root = merkle_node(stack[--depth], root);
  return root;
}

InlineVector<Digest, kProofDigestsMax> merkle_proof(std::span<const Digest> leaves,
                                                    std::size_t index) {
  InlineVector<Digest, kProofDigestsMax> path;  // root to leaf, turned round below
  std::size_t from = 0;
  std::size_t count = leaves.size();
  while (count > 1) {
    std::size_t split = 1;
    while (split * 2 < count) split *= 2;
    if (index - from < split) {
      path.push_back(merkle_root(leaves.subspan(from + split, count - split)));
      count = split;
    } else {
      path.push_back(merkle_root(leaves.subspan(from, split)));
      from += split;
      count -= split;
    }
  }
  InlineVector<Digest, kProofDigestsMax> upwards;
  for (std::size_t i = path.size(); i-- > 0;) upwards.push_back(path[i]);
  return upwards;
}

}  // namespace mpyd::trust
