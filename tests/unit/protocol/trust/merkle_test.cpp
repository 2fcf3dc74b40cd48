#include "protocol/trust/merkle.hpp"

#include <string>
#include <vector>

#include "protocol/crypto.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

using namespace mpyd;
using namespace mpyd::trust;
using mpyd::test::Buffer;

namespace {

// RFC 9162's recursive definitions, written down a second time.
Digest leaf_hash(Bytes entry) { return crypto::sha256(test::concat(test::from_hex("00"), entry)); }
Digest node_hash(const Digest& left, const Digest& right) {
  return crypto::sha256(
      test::concat(test::from_hex("01"), test::concat(left.bytes(), right.bytes())));
}
std::size_t split_of(std::size_t count) {
  std::size_t split = 1;
  while (split * 2 < count) split *= 2;
  return split;
}
Digest root_of(std::span<const Digest> leaves) {
  if (leaves.size() == 1) return leaves[0];
  const std::size_t split = split_of(leaves.size());
  return node_hash(root_of(leaves.first(split)), root_of(leaves.subspan(split)));
}
std::vector<Digest> proof_of(std::span<const Digest> leaves, std::size_t index) {
  if (leaves.size() == 1) return {};
  const std::size_t split = split_of(leaves.size());
  std::vector<Digest> path = index < split ? proof_of(leaves.first(split), index)
                                           : proof_of(leaves.subspan(split), index - split);
  path.push_back(index < split ? root_of(leaves.subspan(split)) : root_of(leaves.first(split)));
  return path;
}

std::vector<Digest> leaves_of(std::size_t count) {
  std::vector<Digest> leaves;
  for (std::size_t i = 0; i < count; ++i)
    leaves.push_back(merkle_leaf(as_bytes("entry " + std::to_string(i))));
  return leaves;
}

}  // namespace

TEST_CASE("leaves and nodes are hashed under different first bytes") {
  const Buffer entry = test::copy(std::string_view("entry"));
  CHECK(merkle_leaf(entry) == leaf_hash(entry));
  const auto a = test::random_fixed<Digest>(1);
  const auto b = test::random_fixed<Digest>(2);
  CHECK(merkle_node(a, b) == node_hash(a, b));
  CHECK(merkle_node(a, b) != merkle_node(b, a));
  CHECK(merkle_leaf(test::concat(a.bytes(), b.bytes())) != merkle_node(a, b));
}

TEST_CASE("roots and proofs of 1 to 40 entries are RFC 9162's, for every entry") {
  for (std::size_t count = 1; count <= 40; ++count) {
    const std::vector<Digest> leaves = leaves_of(count);
    const Digest root = merkle_root(leaves);
    REQUIRE(root == root_of(leaves));
    for (std::size_t index = 0; index < count; ++index) {
      INFO(index << " of " << count);
      const auto path = merkle_proof(leaves, index);
      const std::vector<Digest> expected = proof_of(leaves, index);
      REQUIRE(std::vector<Digest>(path.begin(), path.end()) == expected);
      CHECK(merkle_includes(leaves[index], static_cast<std::uint32_t>(index),
                            static_cast<std::uint32_t>(count), expected, root));
    }
  }
  CHECK(merkle_root({}) == crypto::sha256({}));
}

TEST_CASE("A07 a proof holds for its own entry and index only") {
  for (std::uint32_t count : {1U, 2U, 3U, 7U, 8U, 13U}) {
    const std::vector<Digest> leaves = leaves_of(count);
    const Digest root = merkle_root(leaves);
    for (std::uint32_t index = 0; index < count; ++index) {
      const std::vector<Digest> path = proof_of(leaves, index);
      for (std::uint32_t claimed = 0; claimed < count + 3; ++claimed)
        CHECK(merkle_includes(leaves[index], claimed, count, path, root) == (claimed == index));
      for (std::uint32_t other = 0; other < count; ++other)
        CHECK(merkle_includes(leaves[other], index, count, path, root) == (other == index));
      CHECK(!merkle_includes(leaves[index], 0xffffffff, count, path, root));
      CHECK(!merkle_includes(leaves[index], index, 0, path, root));
    }
  }
}

TEST_CASE("a path that is too short, too long, damaged or out of order proves nothing") {
  const std::vector<Digest> leaves = leaves_of(13);
  const Digest root = merkle_root(leaves);
  for (std::uint32_t index = 0; index < 13; ++index) {
    const std::vector<Digest> path = proof_of(leaves, index);
    const auto proves = [&](const std::vector<Digest>& tried) {
      return merkle_includes(leaves[index], index, 13, tried, root);
    };
    REQUIRE(proves(path));
    std::vector<Digest> tried = path;
    tried.push_back(Digest{});
    CHECK(!proves(tried));
    tried.back() = root;
    CHECK(!proves(tried));
    for (std::size_t size = 0; size < path.size(); ++size)
      CHECK(!proves({path.begin(), path.begin() + static_cast<std::ptrdiff_t>(size)}));
    CHECK(!proves({path.rbegin(), path.rend()}));
    for (std::size_t i = 0; i < path.size(); ++i) {
      tried = path;
      tried[i].data[0] ^= std::byte{1};
      CHECK(!proves(tried));
    }
  }
}

TEST_CASE("a claimed count cannot lengthen or shorten the tree") {
  // A count that gives the leaf the same path is harmless for that leaf; any other is refused.
  const std::vector<Digest> leaves = leaves_of(5);
  const Digest root = merkle_root(leaves);
  const std::vector<Digest> last = proof_of(leaves, 4);
  for (std::uint32_t count = 0; count < 40; ++count)
    CHECK(merkle_includes(leaves[4], 4, count, last, root) == (count == 5));
  CHECK(!merkle_includes(leaves[4], 4, 0xffffffff, last, root));
  const std::vector<Digest> first = proof_of(leaves, 0);
  for (std::uint32_t count : {0U, 1U, 2U, 3U, 4U, 9U, 17U, 0x80000001U})
    CHECK(!merkle_includes(leaves[0], 0, count, first, root));
}

TEST_CASE("a path may not go on above the root that the count implies") {
  const auto leaf = test::random_fixed<Digest>(1);
  const auto sibling = test::random_fixed<Digest>(2);
  const std::vector<Digest> path = {sibling};
  CHECK(merkle_includes(leaf, 0, 1, {}, leaf));
  CHECK(!merkle_includes(leaf, 0, 1, path, node_hash(sibling, leaf)));
  CHECK(!merkle_includes(leaf, 0, 1, path, node_hash(leaf, sibling)));
}

TEST_CASE("an inner node cannot pose as an entry, nor an entry as an inner node") {
  const std::vector<Digest> leaves = leaves_of(4);
  const Digest root = merkle_root(leaves);
  const Digest left = node_hash(leaves[0], leaves[1]);
  const Digest right = node_hash(leaves[2], leaves[3]);
  // The two halves as a forged "entry" of a tree of two.
  const Buffer forged = test::concat(leaves[0].bytes(), leaves[1].bytes());
  const std::vector<Digest> path = {right};
  CHECK(!merkle_includes(merkle_leaf(forged), 0, 2, path, root));
  const Buffer tagged = test::concat(test::from_hex("01"), forged);
  CHECK(!merkle_includes(merkle_leaf(tagged), 0, 2, path, root));
  // With the node's own digest as leaf the arithmetic holds: the tag in merkle_leaf is the defence.
  CHECK(merkle_includes(left, 0, 2, path, root));
}

TEST_CASE("the longest path that fits is walked in constant memory") {
  // 2^32 - 1 entries, the first of them: 32 siblings.
  std::vector<Digest> path(32);
  Digest root = test::random_fixed<Digest>(1);
  const Digest leaf = root;
  for (std::size_t i = 0; i < path.size(); ++i) {
    path[i] = test::random_fixed<Digest>(i + 2);
    root = node_hash(root, path[i]);
  }
  CHECK(merkle_includes(leaf, 0, 0xffffffff, path, root));
  path.push_back(root);
  CHECK(!merkle_includes(leaf, 0, 0xffffffff, path, root));
}
