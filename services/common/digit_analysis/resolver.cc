#include "services/common/digit_analysis/resolver.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/memory/memory.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/digit_analysis/number_changer.h"
#include "services/common/digit_analysis/numbering_plan.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/route_candidates.h"
#include "services/common/digit_analysis/target_list.h"
#include "services/common/digit_analysis/transform.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

using Outcome = Resolution::Outcome;
using Kind = TransformStep::Kind;

bool LooksLikeAddress(std::string_view host) {
  return host.find(':') != std::string_view::npos ||
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

std::string_view ReasonText(ForwardReason reason) {
  switch (reason) {
    case ForwardReason::kNone:
      break;
    case ForwardReason::kAll:
      return "all calls";
    case ForwardReason::kBusy:
      return "busy";
    case ForwardReason::kNoAnswer:
      return "no answer";
    case ForwardReason::kUnregistered:
      return "unregistered";
  }
  return "";
}

}  // namespace

// One call's way through the plan. Thread-compatible.
class Resolver::Run {
 public:
  Run(const Resolver& plan, const RouteQuery& query, bool explain)
      : plan_(plan),
        query_(query),
        explain_(explain),
        numbers_(query.called, query.calling, nullptr) {}

  Resolution Go() && {
    Start();
    out_.called = numbers_.called();
    out_.calling = numbers_.calling();
    out_.restrict_presentation = numbers_.restrict_presentation();
    if (!explain_) out_.skipped.clear();
    return std::move(out_);
  }

 private:
  enum class Next { kDone, kLookAgain };
  using Spaces = PlanTable::Spaces;

  const PlanIndex& index() const { return plan_.index_; }
  const PlanSnapshot& plan() const { return plan_.snapshot(); }

  Next Refuse(std::string_view reason, std::string detail) {
    out_.outcome = Outcome::kRefused;
    out_.reason = std::string(reason);
    out_.detail = std::move(detail);
    return Next::kDone;
  }

  void Start() {
    const TenantEntry* tenant = index().Tenant(query_.tenant);
    if (tenant == nullptr) {
      Refuse("TENANT_UNKNOWN", "there is no such tenant");
      return;
    }
    caller_ = ContextOf(query_, index(), *plan_.callers_);
    out_.caller_mode = caller_.mode;
    out_.redirections = query_.redirected;
    out_.interdigit_timeout = caller_.interdigit_timeout;
    if (!caller_.refused.empty()) {
      Refuse(caller_.refused, caller_.refused_detail);
      return;
    }
    restriction_ = caller_.restriction;
    external_mask_ = caller_.external_mask;
    LookIn(caller_.search_spaces);
    if (query_.forward != ForwardReason::kNone) {
      if (BeginForwarded() == Next::kDone) return;
    } else if (IsForeign(*tenant)) {
      ByDomain(absl::AsciiStrToLower(query_.domain),
               "the domain is not one "
               "of the tenant's, and no pattern that the caller reaches takes "
               "it");
      return;
    }
    Lookups(*tenant);
  }

  // Whether the host is neither an address of ours nor one of our domains.
  bool IsForeign(const TenantEntry& tenant) const {
    return !query_.domain.empty() && !LooksLikeAddress(query_.domain) &&
           index().TenantOfDomain(query_.domain) != &tenant;
  }

  // From here on lookups are in these.
  template <typename Names>
  void LookIn(const Names& search_spaces) {
    spaces_.clear();
    space_names_.assign(search_spaces.begin(), search_spaces.end());
    for (const std::string_view name : space_names_) {
      plan_.table_.AddSearchSpace(name, spaces_);
    }
    plan_.table_.AddNullPartition(query_.tenant, spaces_);
  }

  // Begins the record of a lookup.
  void Record(std::string_view number) {
    if (!explain_) return;
    out_.lookups.emplace_back();
    RouteLookup& lookup = out_.lookups.back();
    lookup.number = std::string(number);
    for (const std::string_view name : space_names_) {
      lookup.search_spaces.emplace_back(name);
      if (const auto* css = index().CallingSearchSpace(name)) {
        for (const std::string& partition : css->partitions) {
          if (std::find(lookup.partitions.begin(), lookup.partitions.end(),
                        partition) == lookup.partitions.end()) {
            lookup.partitions.push_back(partition);
          }
        }
      }
    }
    lookup.partitions.emplace_back();
    numbers_.RecordIn(&lookup.steps);
  }

  // ---------------------------------------------------------------- lookups

  void Lookups(const TenantEntry& tenant) {
    for (size_t hop = 0; hop < kMaxLookups; ++hop) {
      const bool first = hop == 0 && query_.forward == ForwardReason::kNone;
      const std::string before = numbers_.called();
      out_.pattern_name.clear();
      out_.pattern.clear();
      Record(before);
      const absl::StatusOr<Number> number = Number::Parse(before);
      if (hop == 0) dialled_ = number.ok() ? number->text() : "";
      std::optional<PlanTable::Found> found;
      if (number.ok()) {
        heard_ = number->text();
        // A name such as "dad" could be a number; it is put aside if nothing
        // takes it.
        if (heard_ != before) {
          numbers_.SetCalled("", Kind::kNormalize, "separators", heard_);
        }
        found = first && query_.overlap
                    ? FindOverlapped(number->text())
                    : plan_.table_.Find(spaces_, number->text());
      }
      const size_t lookup = out_.lookups.size();
      const Next next =
          found.has_value() ? Take(*found) : ByName(tenant, before, first);
      if (explain_ && number.ok()) {
        RouteLookup& record = out_.lookups[lookup - 1];
        record.candidates = ExplainCandidates(
            plan(), query_.tenant, heard_, record.partitions, out_.pattern_name,
            first && query_.overlap && found.has_value() && found->urgent);
      }
      if (next == Next::kDone) return;
    }
    Refuse("TRANSLATION_LOOP",
           absl::StrCat("more than ", kMaxLookups,
                        " translations and forwards, one after another"));
  }

  // Digit by digit: what is taken at once is taken before the rest is heard.
  std::optional<PlanTable::Found> FindOverlapped(const std::string& number) {
    for (size_t length = 1; length <= number.size(); ++length) {
      const std::string_view heard = std::string_view(number).substr(0, length);
      const auto found = plan_.table_.Find(spaces_, heard);
      const bool urgent = found.has_value() && found->urgent;
      const bool longer =
          !urgent && plan_.table_.LongerPossible(spaces_, heard);
      if (longer && length < number.size()) continue;
      if (longer) {
        out_.incomplete = true;
        return found;
      }
      if (length < number.size()) {
        numbers_.SetCalled(found.has_value() ? NameOf(*found) : std::string(),
                           Kind::kOverlap,
                           urgent ? "urgent priority" : "no more can match",
                           std::string(heard));
        heard_ = heard;
        dialled_ = heard;
      }
      return found;
    }
    return std::nullopt;
  }

  const std::string& NameOf(const PlanTable::Found& found) const {
    switch (found.kind) {
      case PatternKind::kRoutePattern:
        return plan().route_patterns[found.index].name;
      case PatternKind::kTranslationPattern:
        return plan().translation_patterns[found.index].name;
      case PatternKind::kHuntPilot:
        return plan().hunt_pilots[found.index].name;
      case PatternKind::kMessageWaitingNumber:
        return plan().message_waiting_numbers[found.index].name;
      case PatternKind::kLine:
        return plan().lines[found.index].name;
      case PatternKind::kUser:
        return plan().users[found.index].name;
    }
    return plan().users[found.index].name;
  }

  void Won(const std::string& name, const std::string& pattern) {
    out_.pattern_name = name;
    out_.pattern = pattern;
  }

  Next Take(const PlanTable::Found& found) {
    switch (found.kind) {
      case PatternKind::kRoutePattern: {
        const RoutePatternEntry& entry = plan().route_patterns[found.index];
        Won(entry.name, entry.pattern);
        return ByRoutePattern(entry, found.form);
      }
      case PatternKind::kTranslationPattern: {
        const auto& entry = plan().translation_patterns[found.index];
        Won(entry.name, entry.pattern);
        return Translate(entry, found.form);
      }
      case PatternKind::kHuntPilot: {
        const HuntPilotEntry& entry = plan().hunt_pilots[found.index];
        Won(entry.name, entry.pattern);
        return ToHunt(entry);
      }
      case PatternKind::kMessageWaitingNumber: {
        const auto& entry = plan().message_waiting_numbers[found.index];
        Won(entry.name, entry.number);
        if (!Inside()) return Next::kDone;
        out_.outcome = Outcome::kMessageWaiting;
        out_.message_waiting = &entry;
        return Next::kDone;
      }
      case PatternKind::kLine: {
        const LineEntry& entry = plan().lines[found.index];
        Won(entry.name, entry.directory_number);
        return ToLine(entry);
      }
      case PatternKind::kUser: {
        const UserEntry& entry = plan().users[found.index];
        Won(entry.name, numbers_.called());
        return ToUser(entry);
      }
    }
    return Next::kDone;
  }

  // Nothing matched: a user's name, or one of our domains that is routed on.
  Next ByName(const TenantEntry& tenant, const std::string& name, bool first) {
    if (const UserEntry* user = UserByName(tenant, name)) {
      if (numbers_.called() != name) {
        numbers_.SetCalled("", Kind::kNormalize, "as written", name);
      }
      out_.pattern_name = user->name;
      return ToUser(*user);
    }
    if (first && !query_.domain.empty() && !LooksLikeAddress(query_.domain)) {
      return ByDomain(absl::AsciiStrToLower(query_.domain), "");
    }
    return Refuse("ROUTE_NOT_FOUND",
                  out_.incomplete
                      ? "nothing matches yet, but it could if more digits came"
                      : "nothing that the caller reaches matches");
  }

  const UserEntry* UserByName(const TenantEntry& tenant,
                              const std::string& name) const {
    if (!query_.domain.empty() && !LooksLikeAddress(query_.domain)) {
      return index().UserAt(name, query_.domain);
    }
    for (const std::string& domain : tenant.domains) {
      const UserEntry* user = index().UserAt(name, domain);
      if (user != nullptr) return user;
    }
    return nullptr;
  }

  // A SIP URI by its host: `missing` says why there is nothing else.
  Next ByDomain(const std::string& host, std::string missing) {
    if (!missing.empty()) Record(absl::StrCat(query_.called, "@", host));
    const auto found = plan_.table_.FindDomain(spaces_, host);
    if (!found.has_value()) {
      return Refuse("ROUTE_NOT_FOUND",
                    missing.empty() ? "nothing that the caller reaches matches"
                                    : std::move(missing));
    }
    const RoutePatternEntry& entry = plan().route_patterns[*found];
    Won(entry.name, entry.sip_domain);
    out_.called_domain = host;
    if (explain_) {
      out_.lookups.back().candidates.push_back(
          {entry.name, entry.partition, entry.sip_domain,
           RouteCandidate::Verdict::kWon, "",
           absl::StrCat("it takes ",
                        entry.sip_domain == host
                            ? "this host"
                            : "every host below its domain",
                        ", and none is closer")});
    }
    return ByRoutePattern(entry, 0);
  }

  // -------------------------------------------------------------- decisions

  // Whether the caller may make this call; refuses it otherwise.
  bool Allowed(TollClass toll_class, bool inside) {
    const auto verdict = plan_.policy_.Check(restriction_, dialled_, toll_class,
                                             inside, explain_);
    if (!verdict.allowed) Refuse("DIALLING_RESTRICTED", verdict.detail);
    if (verdict.allowed && explain_) out_.detail = verdict.detail;
    out_.restriction = plan_.policy_.Find(restriction_);
    return verdict.allowed;
  }
  bool Inside() { return Allowed(TollClass::kInternal, /*inside=*/true); }

  Next Block(uint32_t cause) {
    constexpr uint32_t kCallRejected = 21;  // Q.850
    out_.block_cause = cause != 0 ? cause : kCallRejected;
    return Refuse("PATTERN_BLOCKED", "the closest pattern blocks the call");
  }

  // The same pattern with the same number again is a loop.
  bool SeenBefore(const std::string& name) {
    std::string key = absl::StrCat(name, " ", numbers_.called());
    if (std::find(seen_.begin(), seen_.end(), key) != seen_.end()) return true;
    seen_.push_back(std::move(key));
    return false;
  }

  Next Translate(const TranslationPatternEntry& entry, size_t form) {
    if (entry.action == PatternAction::kBlock) return Block(entry.block_cause);
    if (SeenBefore(entry.name)) {
      return Refuse("TRANSLATION_LOOP",
                    absl::StrCat(entry.name, " meets the same number again"));
    }
    numbers_.ChangeCalled(entry.name, entry.transformation, entry.pattern,
                          entry.numbering_plan, form);
    numbers_.ChangeCalling(entry.name, entry.transformation, external_mask_);
    if (!entry.use_originator_search_space) {
      const std::string_view css = entry.calling_search_space;
      LookIn(std::vector<std::string_view>{css});
    }
    if (!Number::Parse(numbers_.called()).ok()) {
      return Refuse("NUMBER_INVALID",
                    "the called number is empty or too long after its changes");
    }
    return Next::kLookAgain;
  }

  // '@' takes in local calls and calls abroad alike: what the number is counts
  // as well as what the pattern says (UM-12).
  TollClass TollClassOf(const RoutePatternEntry& entry, size_t form) const {
    const NumberingPlan* plan = entry.pattern.find('@') == std::string::npos
                                    ? nullptr
                                    : FindNumberingPlan(entry.numbering_plan);
    if (plan == nullptr || entry.toll_class == TollClass::kEmergency) {
      return entry.toll_class;
    }
    const absl::StatusOr<DialPattern> pattern =
        DialPattern::Parse(entry.pattern, &plan->forms()[form]);
    if (!pattern.ok()) return TollClass::kPremium;  // it was compiled once
    const TollClass least =
        plan->LeastTollClass(*pattern, form, numbers_.called());
    if (least == TollClass::kEmergency) return least;
    return std::max(entry.toll_class, least);
  }

  Next ByRoutePattern(const RoutePatternEntry& entry, size_t form) {
    out_.toll_class = TollClassOf(entry, form);
    if (entry.action == PatternAction::kBlock) return Block(entry.block_cause);
    if (!Allowed(out_.toll_class, /*inside=*/false)) return Next::kDone;
    std::optional<NumberChanger> dialled;
    if (!entry.route_list.empty()) dialled = numbers_;
    const bool is_number = out_.called_domain.empty();
    if (is_number) {
      numbers_.ChangeCalled(entry.name, entry.transformation, entry.pattern,
                            entry.numbering_plan, form);
    }
    numbers_.ChangeCalling(entry.name, entry.transformation, external_mask_);
    const TargetList::Call call{query_, index(), plan_.table_, query_.tenant,
                                external_mask_};
    TargetList targets(call, out_);
    if (entry.route_list.empty()) {
      const PeerEntry* peer = index().Peer(entry.peer);
      if (peer == nullptr) {
        return Refuse("ROUTE_NOT_FOUND", "the pattern's peer does not exist");
      }
      targets.Add(*peer, numbers_);
      if (out_.targets.empty()) {
        out_.destination_mode = index().ModeOf(peer->dial_plan);
      }
    } else {
      const auto* list = index().Find<RouteListEntry>(entry.route_list);
      if (list == nullptr) {
        return Refuse("ROUTE_NOT_FOUND",
                      "the pattern's route list does not exist");
      }
      if (list->disabled) {
        return Refuse("ROUTE_LIST_DISABLED",
                      absl::StrCat(list->name, " is disabled"));
      }
      out_.stop_on_busy = list->stop_on_busy;
      out_.stop_on_unallocated_number = list->stop_on_unallocated_number;
      const size_t count = list->members.size();
      const size_t start =
          list->distribution == RouteDistribution::kCircular && count != 0
              ? query_.turn % count
              : 0;
      for (size_t i = 0; i < count; ++i) {
        const RouteListMember& member = list->members[(start + i) % count];
        const PeerEntry* peer = index().Peer(member.peer);
        if (peer == nullptr) continue;  // refused when it was written
        // protocols.md section 11.3: what a member changes takes the place of
        // the pattern's change.
        NumberChanger numbers = numbers_;
        if (member.overrides_called && is_number) {
          numbers.RestoreCalled(list->name, *dialled);
          numbers.ChangeCalled(list->name, member.transformation, entry.pattern,
                               entry.numbering_plan, form);
        }
        if (member.overrides_calling) {
          numbers.RestoreCalling(list->name, *dialled);
          numbers.ChangeCalling(list->name, member.transformation,
                                external_mask_);
        }
        targets.Add(*peer, std::move(numbers));
      }
    }
    if (out_.targets.empty()) {
      if (out_.skipped.empty()) {
        return Refuse("NO_TARGET", "there is nothing in the route list");
      }
      const SkippedTarget& why = out_.skipped.front();
      return Refuse(why.reason, why.detail);
    }
    out_.destination_mode = out_.targets[0].mode;
    out_.outcome = Outcome::kPeer;
    return Next::kDone;
  }

  Next ToUser(const UserEntry& user) {
    out_.destination_mode = index().ModeOf(user.dial_plan);
    if (user.disabled) {
      return Refuse("USER_DISABLED", absl::StrCat(user.name, " is disabled"));
    }
    if (!Inside()) return Next::kDone;
    out_.outcome = Outcome::kUser;
    out_.user = &user;
    return Next::kDone;
  }

  Next ToLine(const LineEntry& line) {
    if (line.forward_all.IsSet()) {
      if (!Inside()) return Next::kDone;
      if (SeenBefore(line.name)) {
        return Refuse("FORWARD_LOOP",
                      absl::StrCat("the call comes back to ", line.name));
      }
      return Forward(line.name, line.forward_all, ForwardReason::kAll, &line);
    }
    bool disabled = false;
    for (const std::string& name : line.users) {
      const UserEntry* user = index().User(name);
      if (user == nullptr) continue;
      if (user->disabled) {
        disabled = true;
      } else {
        out_.users.push_back(user);
      }
    }
    out_.line = &line;
    if (out_.users.empty() && disabled) {
      return Refuse("USER_DISABLED",
                    absl::StrCat("every user of ", line.name, " is disabled"));
    }
    if (!Inside()) return Next::kDone;
    out_.outcome = Outcome::kLine;
    if (!out_.users.empty()) {
      out_.user = out_.users[0];
      out_.destination_mode = index().ModeOf(out_.user->dial_plan);
    }
    return Next::kDone;
  }

  Next ToHunt(const HuntPilotEntry& pilot) {
    if (!Inside()) return Next::kDone;
    const auto* list = index().Find<HuntListEntry>(pilot.hunt_list);
    if (list == nullptr) {
      return Refuse("ROUTE_NOT_FOUND", "the pilot's hunt list does not exist");
    }
    out_.hunt_pilot = &pilot;
    if (list->disabled) {
      return Refuse("HUNT_LIST_DISABLED",
                    absl::StrCat(list->name, " is disabled"));
    }
    numbers_.ChangeCalled(pilot.name, pilot.transformation, pilot.pattern, "",
                          0);
    numbers_.ChangeCalling(pilot.name, pilot.transformation, external_mask_);
    for (const std::string& name : list->line_groups) {
      const auto* group = index().Find<LineGroupEntry>(name);
      if (group == nullptr) continue;
      HuntStage stage{group, {}};
      for (const std::string& line_name : group->lines) {
        if (const auto* line = index().Find<LineEntry>(line_name)) {
          stage.lines.push_back(line);
        }
      }
      // protocols.md section 12: an empty line group stops the hunt.
      if (stage.lines.empty()) break;
      out_.hunt.push_back(std::move(stage));
    }
    if (out_.hunt.empty()) {
      return Refuse("NO_TARGET", "there is no line in the hunt list");
    }
    out_.outcome = Outcome::kHunt;
    return Next::kDone;
  }

  // --------------------------------------------------------------- forwards

  // A call that a line or hunt pilot did not take.
  Next BeginForwarded() {
    const CallForward* forward = nullptr;
    const LineEntry* line = nullptr;
    const bool ours = TenantOf(query_.forwarded_by) == query_.tenant;
    if (ours) line = index().Find<LineEntry>(query_.forwarded_by);
    const ForwardReason reason = query_.forward;
    if (line != nullptr) {
      forward = reason == ForwardReason::kBusy       ? &line->forward_busy
                : reason == ForwardReason::kNoAnswer ? &line->forward_no_answer
                : reason == ForwardReason::kUnregistered
                    ? &line->forward_unregistered
                    : &line->forward_all;
    } else if (const auto* pilot =
                   ours ? index().Find<HuntPilotEntry>(query_.forwarded_by)
                        : nullptr) {
      forward = reason == ForwardReason::kBusy ? &pilot->forward_busy
                                               : &pilot->forward_no_answer;
    }
    if (forward == nullptr || !forward->IsSet()) {
      return Refuse("NOT_FORWARDED",
                    absl::StrCat(query_.forwarded_by, " does not forward on ",
                                 AbslView(ReasonText(reason))));
    }
    Record(query_.called);
    if (line != nullptr) {
      Won(line->name, line->directory_number);
      SeenBefore(line->name);
    }
    return Forward(query_.forwarded_by, *forward, reason, line);
  }

  // Sends the call on. From here on it is the forwarder's call, and what it
  // costs is for the forwarder's policy to allow.
  Next Forward(const std::string& name, const CallForward& forward,
               ForwardReason reason, const LineEntry* line) {
    std::string number = numbers_.called();
    if (line != nullptr) {
      if (auto own = NumberOfPattern(line->directory_number); own.ok()) {
        number = *own;
      }
    }
    out_.redirections.push_back({name, number, reason});
    std::string to = forward.number;
    std::string_view search_space = forward.calling_search_space;
    if (forward.voicemail) {
      const VoicemailProfileEntry* profile = ProfileOf(line);
      const VoicemailPilotEntry* pilot = PilotOf(profile);
      if (pilot == nullptr) {
        return Refuse("VOICEMAIL_NOT_CONFIGURED",
                      absl::StrCat(name, " forwards to voicemail, and there ",
                                   "is no voicemail profile with a pilot"));
      }
      to = pilot->number;
      search_space = pilot->calling_search_space;
      // Whose mailbox: that of the first redirecting number, unless the
      // profile wants the last.
      const bool last =
          profile != nullptr && profile->use_last_redirecting_number;
      out_.mailbox_of_last = last;
      const std::string& redirecting =
          last ? number : out_.redirections.front().number;
      out_.mailbox = profile == nullptr
                         ? redirecting
                         : ApplyMask(profile->mailbox_mask, redirecting);
    }
    if (line != nullptr) {
      const UserEntry* owner = plan_.callers_->UserOf(*line);
      restriction_ =
          owner == nullptr ? std::string_view() : owner->dialling_restriction;
    }
    LookIn(std::vector<std::string_view>{search_space});
    numbers_.SetCalled(name, Kind::kForward, ReasonText(reason), to);
    const auto parsed = Number::Parse(to);
    dialled_ = parsed.ok() ? parsed->text() : "";
    return Next::kLookAgain;
  }

  const VoicemailProfileEntry* ProfileOf(const LineEntry* line) const {
    if (line != nullptr && !line->voicemail_profile.empty()) {
      return index().Find<VoicemailProfileEntry>(line->voicemail_profile);
    }
    const auto it = plan_.default_profiles_.find(query_.tenant);
    return it == plan_.default_profiles_.end() ? nullptr : it->second;
  }

  const VoicemailPilotEntry* PilotOf(
      const VoicemailProfileEntry* profile) const {
    if (profile != nullptr) {
      return index().Find<VoicemailPilotEntry>(profile->voicemail_pilot);
    }
    const auto it = plan_.default_pilots_.find(query_.tenant);
    return it == plan_.default_pilots_.end() ? nullptr : it->second;
  }

  const Resolver& plan_;
  const RouteQuery& query_;
  const bool explain_;
  Resolution out_;
  CallerContext caller_;
  NumberChanger numbers_;
  Spaces spaces_;
  absl::InlinedVector<std::string_view, 2> space_names_;
  std::string_view restriction_;  // whose policy counts
  std::string_view external_mask_;
  std::string dialled_;  // as the policy sees it; empty if no number
  std::string heard_;    // what of the number was looked up
  absl::InlinedVector<std::string, 2> seen_;
};

Resolver::Resolver(std::shared_ptr<const PlanSnapshot> snapshot)
    : index_(std::move(snapshot)), callers_(std::in_place, index_) {
  for (const VoicemailProfileEntry& e : this->snapshot().voicemail_profiles) {
    if (e.is_default) default_profiles_.try_emplace(TenantOf(e.name), &e);
  }
  for (const VoicemailPilotEntry& e : this->snapshot().voicemail_pilots) {
    if (e.is_default) default_pilots_.try_emplace(TenantOf(e.name), &e);
  }
}

absl::StatusOr<std::shared_ptr<const Resolver>> Resolver::Create(
    std::shared_ptr<const PlanSnapshot> snapshot) {
  std::shared_ptr<Resolver> resolver(new Resolver(std::move(snapshot)));
  SP_ASSIGN_OR_RETURN(resolver->table_,
                      PlanTable::Compile(resolver->snapshot()));
  SP_ASSIGN_OR_RETURN(resolver->policy_,
                      DiallingPolicy::Compile(resolver->snapshot()));
  return std::shared_ptr<const Resolver>(std::move(resolver));
}

std::shared_ptr<const Resolver> Resolver::OfRegion(Tenants tenants,
                                                   PlanIndex::Region region) {
  return absl::WrapUnique(new Resolver(std::move(tenants), std::move(region)));
}

const Resolver& Resolver::Of(std::string_view tenant) const {
  if (callers_.has_value()) return *this;
  static const Resolver& nothing =
      *new Resolver(std::make_shared<const PlanSnapshot>());
  const auto it = tenants_.find(AbslView(tenant));
  return it == tenants_.end() ? nothing : *it->second;
}

Resolution Resolver::Resolve(const RouteQuery& query) const {
  return Run(Of(query.tenant), query, /*explain=*/false).Go();
}

Resolution Resolver::Explain(const RouteQuery& query) const {
  return Run(Of(query.tenant), query, /*explain=*/true).Go();
}

}  // namespace sallyport
