// The agent: watches slots, asks the server, fetches, verifies, loads and unloads drivers.
// No heap, no globals, no blocking: the owner calls poll() and supplies ports and memory.
//
// What happens to a slot, and who does it:
//   empty -> identifying                 agent_slots.cpp   polling, plugged and pulled
//   identifying -> waiting               agent_probe.cpp   what kind of memory it is, and identity
//                                        agent_power.cpp   whether its current can be had
//   waiting -> decision                  agent_sync.cpp    the server's word, or
//                                        agent_offline.cpp without a server
//   fetching / verifying                 agent_jobs.cpp    pass 1
//   running / refused                    agent_load.cpp    pass 2, attach, trial
// What the server orders beyond that: agent_orders.cpp. A package written to a board's EEPROM:
// agent_store.cpp. How it all begins: agent_start.cpp.
#pragma once

#include "device-agent/core/bounds.hpp"
#include "device-agent/core/eeprom_source.hpp"
#include "device-agent/core/exchange.hpp"
#include "device-agent/core/fleet_keys.hpp"
#include "device-agent/core/package_check.hpp"
#include "device-agent/core/saved.hpp"
#include "device-agent/core/sync.hpp"
#include "device-agent/core/trials.hpp"
#include "protocol/eeprom/part_probe.hpp"
#include "protocol/eeprom/store_area.hpp"
#include "protocol/sync/box.hpp"

namespace mpyd::agent {

struct Config {
  Abi abi;                       // of this firmware
  std::string_view firmware;     // free text for people
  std::uint32_t current_ma = 0;  // that all boards together may take; 0: not bounded
  std::uint32_t probe_interval_ms = 100;
  std::uint32_t sync_interval_ms = 60'000;  // when there is nothing to ask
  std::uint32_t report_delay_ms = 300;      // from an event to the sync that reports it
  std::uint32_t retry_min_ms = 500;         // after a failed exchange; doubles
  std::uint32_t retry_max_ms = 30'000;
  std::uint32_t sync_timeout_ms = 5'000;     // a whole sync; then we are offline
  std::uint32_t stall_timeout_ms = 5'000;    // a fetch without progress
  std::uint32_t fetch_timeout_ms = 120'000;  // a whole fetch
  std::uint32_t trial_ms = 30'000;  // that a driver lives before it is trusted with the motherboard
};

// Supplied by the owner, outlives the agent.
struct Memory {
  std::span<Slot> slots;              // at most kSlotsMax
  std::span<const SlotPlace> places;  // one for each of them, or empty: all as a SlotPlace begins
  MutableBytes work;  // at least kWorkBytes: one chunk, or a package head and what checks it
  MutableBytes
      message;  // at least kMessageBytesMin: one sync message; bounds the answers we ask for
};
inline constexpr unsigned kSlotsMax = 64;
inline constexpr std::size_t kWorkBytes = kChunkBytesMax + crypto::kStreamOverhead + Digest::kSize;
inline constexpr std::size_t kMessageBytesMin = 4096;
static_assert(kWorkBytes >= trust::kScratchBytes);
static_assert(kWorkBytes >= kPackageHeadBytesMax + kEntryBytesMax + 256);

class Agent final : private SlotAnswerVisitor, private Needs {
 public:
  Agent(const Ports& ports, const Config& config, const Memory& memory);
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Reads the identity (bytes of mpyd.v1.Identity, only needed during the call) and the kept state.
  // Once, before poll(). Errors: malformed, unsupported, io, those of verify_first_root,
  // limit (too little memory). start_problem() has a sentence then, if there is more to say.
  Result<void> start(Bytes identity);
  std::string_view start_problem() const { return reason_.view(); }

  // One bounded step: at most one chunk, one public-key operation or one driver call.
  // Returns for how many ms nothing needs doing; 0: call again at once.
  std::uint32_t poll();

  // Detaches and unloads everything. The agent may not be used afterwards.
  void stop();

  std::span<const Slot> slots() const { return slots_; }
  // The configuration data on a board's EEPROM. Errors: no_device, io, limit (buffer too small).
  Result<std::size_t> read_config(unsigned slot, MutableBytes out);
  // Writes the package that runs in this slot, with a key block for the fleet, into the store area
  // of the board's EEPROM, so that the board brings its driver along where there is no network.
  // Returns when that is accepted; EventKind::stored tells how it ended. Errors: no_device,
  // not_found (no driver runs, or the EEPROM has no store area), limit (the area is too small),
  // conflict (another one is being written).
  Result<void> store(unsigned slot);
  // Somebody else read this slot's EEPROM, so its address counter is not where the agent left it.
  void eeprom_was_read(unsigned slot);

 private:
  // Read of an EEPROM, the cache or the network in one step.
  static constexpr std::uint32_t kPieceBytes = 2048;

  enum class Job : std::uint8_t {
    none,
    sync,          // exchange, then the answer
    walk_root,     // exchange, then one root
    weigh_eeprom,  // which of the packages on a board's EEPROM can run here
    hash_eeprom,   // digest of the package on a board's EEPROM
    choose_local,  // offline: the newest acceptable package that lies here
    open_key,      // the content key out of the key block on a board's EEPROM
    fetch,         // pass 1 from the network
    verify,        // pass 1 from cache or EEPROM
    load,          // pass 2 and attach
    store,         // one step of writing a package to a board's EEPROM
  };
  using Detail = InlineText<192>;
  // One of the packages on a board's EEPROM.
  struct OnEeprom {
    eeprom::Extent package;
    eeprom::Extent key_block;
    Digest digest;
  };
  static constexpr const char* kRevokedFile = "revoked";

  // agent_start.cpp
  Result<void> read_identity(Bytes identity);
  Result<void> take_own_key();
  Result<void> take_policy(Bytes identity, Bytes head);
  Result<void> use_server_key();
  Result<void> load_state();

  // agent.cpp
  void notify(EventKind kind, unsigned slot, Errc error = {}, std::string_view detail = {},
              std::uint32_t duration_ms = 0);
  std::uint64_t now_unix_s() const;
  std::uint64_t expiry_unix_s(const Slot& slot, MutableBytes buffer) const;
  void plan_sync(std::uint32_t delay_ms);
  bool needs_entry(const FileName& entry_file) override;
  bool needs_package(const Digest& digest) override;

  // agent_slots.cpp
  enum class Answer : std::uint8_t { no, yes, unknown };
  bool probe_due_slots();
  unsigned probe(unsigned index);
  SlotPlace place_of(unsigned index) const;
  unsigned ping_place(unsigned index);
  void weigh_pings(unsigned index, std::uint8_t answers);
  void look_again(unsigned index);
  unsigned poll_board(unsigned index);
  unsigned check_fingerprint(unsigned index, bool counter_moved);
  bool counter_is_where_it_was(unsigned index);
  Answer ask(unsigned index, std::uint8_t address, MutableBytes byte);
  bool free_bus(unsigned index, Errc error);
  void miss(unsigned index);
  void plug(unsigned index);
  void begin_slot(unsigned index);
  void pull(unsigned index);
  void release_driver(unsigned index);
  void refuse(unsigned index, Errc error, std::string_view detail = {});

  // agent_probe.cpp
  bool step_find();
  bool start_find();
  void search_parts();
  void read_part();
  void end_find();
  void end_find_badly(Errc error);
  void begin_following(unsigned index);
  void tell_unidentified(unsigned index);

  // agent_power.cpp
  void admit(unsigned index);
  std::uint32_t current_wanted(const Slot& slot) const;
  std::uint32_t current_taken(const Slot& slot) const;
  std::uint32_t current_taken() const;
  bool slot_can_feed(unsigned index) const;
  bool has_current_for(unsigned index) const;
  void retry_power();
  Detail tell_power(unsigned index) const;

  // agent_jobs.cpp
  bool pick_job();
  void begin_job(unsigned index);
  bool pick_load();
  bool pick_eeprom_or_choice();
  std::uint32_t step_job();
  void finish_job();
  bool job_slot_is_gone() const;
  void start_loading(unsigned index);
  bool may_load_from_eeprom(const Slot& slot);
  void start_fetch(unsigned index);
  std::uint32_t step_fetch();
  Result<void> take_fetched(Bytes body);
  Result<void> finish_fetch();
  void break_off_fetch(Errc error);
  void step_verify();
  Result<void> verify_piece();
  Result<void> check_piece(Bytes piece);
  Result<void> approve_head();
  Result<void> check_requirements(const Manifest& manifest);
  Result<ContentKey> load_content_key(const Manifest& manifest);
  Result<void> accept_whole_package();
  void abandon(Errc error);
  Detail tell_refusal(Errc error) const;
  Detail tell_memory() const;
  bool forget_copy(unsigned index);

  // agent_load.cpp
  bool waits_for_trial(unsigned index) const;
  bool comes_before(const Slot& other, unsigned resets) const;
  void refuse_quarantined(unsigned index);
  void step_load();
  Result<DriverLoader::Module> load_module();
  DriverLoader::Module find_module(const Digest& digest) const;
  void end_trial_of(const Digest& digest);

  // agent_eeprom.cpp
  Result<bool> find_next_package(Slot& slot, eeprom::BoardIdentity& next);
  Result<bool> package_fits(Slot& slot, std::uint32_t offset);
  Result<bool> pass_over_package(Slot& slot);
  void step_weigh_eeprom();
  void step_hash_eeprom();
  void end_hash();
  bool start_open_key(Errc error);
  void begin_open_key();
  void step_open_key();
  Result<bool> read_and_try_fleet_key();
  Result<bool> try_fleet_key(Bytes block);
  void end_open_key(Errc error);

  // agent_offline.cpp
  void start_choose_local(unsigned index);
  void step_choose_local();
  Result<std::uint32_t> weigh_next(Digest& digest);
  void pass_candidate(Errc error, const Digest& digest);
  bool take_next_on_eeprom();
  void keep_as_best();
  void show_on_eeprom(const OnEeprom& package);
  void choose_local(const Digest& digest, std::string_view why);
  void give_up_choosing();
  Result<std::uint32_t> weigh_candidate(const Digest& digest, PackageSource& source,
                                        trust::PackageOrigin origin);
  Result<void> read_package_head(PackageSource& source);

  // agent_sync.cpp
  static bool is_verdict(Errc error);
  void start_sync();
  Result<std::size_t> build_request();
  void step_sync();
  bool receive_body(std::size_t limit);
  void handle_answer(Bytes message);
  void follow_counter(std::uint64_t last_counter);
  Result<void> accept_answer(const SyncAnswer& answer, Bytes message);
  Result<void> accept_time(std::uint64_t server_unix_s);
  void on_slot_answer(const SlotAnswer& answer) override;
  void follow(unsigned index, const SlotAnswer& answer);
  Result<void> keep_answer(const SlotAnswer& answer);
  void go_offline(Errc error, std::string_view detail = {});
  void start_root_walk(std::uint32_t version);
  void step_root_walk();

  // agent_store.cpp
  void take_store_answer(const SlotAnswer& answer);
  std::uint32_t step_store();
  Result<void> advance_store();
  Result<void> look_at_package();
  Result<void> open_store_block();
  Result<void> plan_store();
  Result<void> check_store_area();
  Result<void> write_page();
  Result<void> finish_page();
  Result<Bytes> page_in_hand(std::uint32_t& offset);
  Result<void> next_page(std::uint32_t bytes);
  Result<void> finish_store();
  void end_store(Errc error, std::string_view detail = {});
  bool stores_into(unsigned index) const { return store_.slot == index; }

  // agent_orders.cpp
  Result<void> accept_orders(const SyncAnswer& answer, Bytes message);
  Result<void> keep_fleet_keys(Bytes message);
  Result<void> keep_server(const SyncAnswer& answer);
  const ServerAddress& server() const;
  void be_revoked(std::string_view message);
  Result<void> forget_secrets();

  Ports ports_;
  Config config_;
  std::span<Slot> slots_;
  std::span<const SlotPlace> places_;
  MutableBytes work_;
  MutableBytes message_;

  // who we are and whom we trust
  SecretKey device_secret_;
  ExchangeKey device_key_;
  KeyId server_key_id_;
  SharedKey box_key_;
  ServerAddress provisioned_;
  ServerAddress moved_;  // where the server said it is from now on; port 0: nowhere else
  bool try_provisioned_ = false;
  bool keeps_on_after_expiry_ = false;
  bool is_revoked_ = false;
  InlineText<64> enroll_token_;
  TrustStore trust_;
  KeyCache keys_;
  FleetKeys fleet_;
  std::uint32_t fleet_generation_ = 0;
  Trials trials_;

  // the conversation with the server
  Exchange exchange_;
  EventLog events_;
  std::uint64_t counter_ = 0;           // the next to use
  std::uint64_t counter_reserved_ = 0;  // up to here, in persistent state
  Nonce request_nonce_;
  Digest request_digest_;
  std::uint64_t last_sync_unix_s_ = 0;
  std::uint64_t saved_sync_unix_s_ = 0;
  std::uint32_t next_sync_ms_ = 0;
  std::uint32_t next_refresh_ms_ = 0;  // when every board is asked about again
  std::uint32_t retry_ms_ = 0;
  std::uint32_t received_ = 0;  // of an answer, in message_
  std::uint32_t roots_walked_ = 0;
  // Where a request has no room for all boards, several in a row report them. Bit n: slot n.
  std::uint64_t to_report_ = 0;  // in this round still
  std::uint64_t reported_ = 0;   // by the request that is on its way
  std::uint64_t left_out_ = 0;   // by that one
  bool is_round_over_ = true;
  bool offline_ = false;       // the last exchange failed
  Errc offline_error_{};       // why
  bool fetch_broke_ = false;   // the last fetch did
  bool counter_told_ = false;  // the server corrected it since the last accepted answer

  // finding out what a board is: one slot at a time, beside the jobs
  struct Find {
    bool is_active = false;
    bool is_searched = false;  // prober_ knows the parts
    bool is_identified = false;
    std::uint8_t slot = 0;
    std::uint8_t part = 0;         // whose identity is read next
    std::uint8_t other_part = 0;   // another one with an identity; 0: the board's
    std::uint8_t error_part = 0;   // where
    Errc error{};                  // the most telling
    std::uint32_t generation = 0;  // of the slot
  };
  Find find_;
  std::uint32_t next_again_ms_ = 0;  // when a board without identity may be looked at again
  eeprom::PartProbe prober_;

  // a package on its way to a board's EEPROM: beside other jobs, a page at a time
  struct Store {
    enum class Phase : std::uint8_t { look, ask, open, plan, write };
    enum class Piece : std::uint8_t { clear, content, head };
    unsigned slot = kSlotNone;
    Phase phase = Phase::look;
    Piece piece = Piece::clear;
    bool was_asked = false;   // the server, in the sync that is on its way
    bool is_written = false;  // the page in hand, and its write cycle is waited for
    bool is_late = false;     // that took too long: does polling still find the board?
    std::uint32_t done = 0;   // bytes of the piece
    std::uint32_t package_bytes = 0;
    std::uint32_t started_ms = 0;
    std::uint32_t written_ms = 0;  // when the page in hand was
    eeprom::Bank bank;
    InlineVector<std::byte, kKeyBlockFixedBytes + kKeyEntryBytes> key_block;  // one entry
  };
  Store store_;

  // the job in hand
  Job job_ = Job::none;
  unsigned job_slot_ = 0;
  std::uint32_t job_generation_ = 0;
  std::uint32_t job_offset_ = 0;
  trust::PackageOrigin origin_ = trust::PackageOrigin::network;
  PackageCheck check_;
  std::uint8_t weighed_ = 0;  // packages on the EEPROM in hand
  crypto::Sha256 hash_;       // of the package on an EEPROM
  VerifiedPackage verified_;
  DriverName driver_name_;
  std::uint32_t ram_bytes_ = 0;  // that the driver needs, says its manifest; 0: not known yet
  bool is_native_ = false;
  ContentKey opened_key_;     // from a key block; kept once the package is verified
  unsigned fleet_key_ = 0;    // that is tried next
  ExchangeKey fleet_public_;  // of that one, once computed; zero before
  Job after_open_key_ = Job::none;
  Job after_hash_ = Job::none;
  bool key_tried_ = false;  // for the job in hand
  Detail summary_;          // "thermo 1.0.0 (6.3-x64)" of the package in hand
  Detail reason_;           // one sentence of the error in hand, or empty
  // choosing without a server
  unsigned candidate_ = 0;       // looked at so far
  unsigned cached_ = 0;          // of them in the cache
  bool on_eeprom_ = false;       // those come first
  bool eeprom_weighed_ = false;  // the EEPROM's package in hand was
  OnEeprom eeprom_first_;        // the EEPROM's package before and after
  OnEeprom eeprom_best_;         // the one that is best_, if it lies there
  std::uint32_t best_release_ = 0;
  Digest best_;
  Digest kept_choice_;  // the server's last, while choosing offline; zero: none
  InlineVector<Digest, 8> avoid_;
  Errc best_error_{};
  Errc eeprom_error_{};  // of a package on the EEPROM that was passed over
  unsigned next_probe_ = 0;
  std::uint8_t turn_ = 2;  // polling comes first
};

}  // namespace mpyd::agent
