#include "services/capf/io/revocation_fetcher.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/http/http_get.h"
#include "services/common/http/http_url.h"
#include "services/common/log/log.h"
#include "services/common/pki/path_verifier.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr char kActor[] = "revocation-fetcher";
constexpr size_t kThreads = 4;
constexpr size_t kMaxSources = 64;
// What consumers keep in memory: some 30 octets each.
constexpr size_t kMaxEntriesOfOne = 500'000;
constexpr size_t kMaxEntries = 500'000;
constexpr absl::Duration kFirstRetry = absl::Minutes(1);
constexpr absl::Duration kLook = absl::Seconds(1);

using CertificateList = std::vector<std::shared_ptr<const ParsedCertificate>>;

std::string TenantOfStore(const std::string& store) {
  const std::vector<std::string> parts = absl::StrSplit(store, '/');
  return parts.size() > 1 ? parts[1] : std::string();
}

// The authorities of a chain that a peer has shown, as far as `anchors` (of
// the same tenant) vouch for them.
CertificateList AuthoritiesIn(const std::vector<std::string>& chain,
                              const std::vector<std::string>& anchors,
                              absl::Time now) {
  CertificateList out;
  const auto verifier = PathVerifier::Create(anchors);
  if (!verifier.ok()) return out;
  CertificateList members;
  for (const std::string& der : chain) {
    auto parsed = ParseWholeCertificate(AsBytes(der));
    if (parsed.ok()) members.push_back(*std::move(parsed));
  }
  for (const auto& member : members) {
    if (!member->is_ca) continue;
    PathQuery query;
    query.leaf = member;
    query.others = members;
    query.now = now;
    if ((*verifier)->Verify(query, PathRules()).status.ok()) {
      out.push_back(member);
    }
  }
  return out;
}

}  // namespace

RevocationFetcher::RevocationFetcher(Options options, Ledger& ledger,
                                     RandomSource& random)
    : options_(std::move(options)),
      ledger_(ledger),
      random_(random),
      workers_(kThreads, kMaxSources) {
  {
    absl::MutexLock lock(&mutex_);
    for (const std::string& url : options_.urls) {
      Entry& entry = entries_[url];
      entry.source.url = url;
      entry.source.configured = true;
    }
  }
}

void RevocationFetcher::Start() {
  thread_ = std::thread([this] { Run(); });
}

RevocationFetcher::~RevocationFetcher() { Stop(); }

void RevocationFetcher::Stop() {
  stop_ = true;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
  workers_.Stop();
}

std::vector<std::shared_ptr<const ParsedCrl>> RevocationFetcher::lists() const {
  std::vector<std::shared_ptr<const ParsedCrl>> out;
  absl::MutexLock lock(&mutex_);
  for (const auto& [url, held] : held_) out.push_back(held.list);
  return out;
}

std::vector<RevocationSource> RevocationFetcher::sources() const {
  std::vector<RevocationSource> out;
  absl::MutexLock lock(&mutex_);
  for (const auto& [url, entry] : entries_) out.push_back(entry.source);
  return out;
}

void RevocationFetcher::Run() {
  while (true) {
    std::vector<std::pair<std::string, bool>> due;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kLook);
      if (stopping_) return;
      const absl::Time now = ledger_.clock().Now();
      for (auto& [url, entry] : entries_) {
        if (entry.in_flight || entry.source.next_attempt > now) continue;
        entry.in_flight = true;
        entry.source.last_attempt = now;
        due.emplace_back(url,
                         entry.source.configured || options_.allow_private);
      }
    }
    for (const auto& [url, allow_private] : due) {
      const absl::Status posted =
          workers_.Post(std::hash<std::string>()(url),
                        [this, url = url, allow_private = allow_private] {
                          Fetch(url, allow_private);
                        });
      if (posted.ok()) continue;
      absl::MutexLock lock(&mutex_);
      if (const auto it = entries_.find(url); it != entries_.end()) {
        it->second.in_flight = false;
      }
    }
  }
}

void RevocationFetcher::Fetch(const std::string& url, bool allow_private) {
  const std::optional<HttpUrl> where = ParseHttpUrl(url);
  absl::Status status = absl::InvalidArgumentError("no URL");
  if (where.has_value()) {
    HttpGetOptions options;
    options.timeout = options_.timeout;
    options.max_bytes = options_.max_bytes;
    options.allow_private = allow_private;
    options.stop = &stop_;
    options.ca_file = options_.ca_file;
    const absl::StatusOr<std::string> content = HttpGet(*where, options);
    status = content.ok() ? Take(url, *content) : content.status();
  }
  if (stop_) return;
  const double share = 0.9 + static_cast<double>(random_.Uniform(200)) / 1000;
  absl::MutexLock lock(&mutex_);
  const auto it = entries_.find(url);
  if (it == entries_.end()) return;
  it->second.in_flight = false;
  RevocationSource& source = it->second.source;
  const absl::Time now = ledger_.clock().Now();
  absl::Duration wait = options_.refresh_interval;
  source.status = status;
  if (status.ok()) {
    source.failures = 0;
    if (source.held && source.next_update > now) {
      wait = std::min(wait, source.next_update - now);
    }
  } else {
    const absl::Duration first =
        std::min(kFirstRetry, options_.refresh_interval);
    wait = std::min(first * (1 << std::min(source.failures, 10)), wait);
    if (++source.failures == 1) {
      LogWarning("a revocation list was not taken",
                 {{"url", url}, {"status", status}});
    }
  }
  source.next_attempt = now + std::max(wait * share, kLook);
}

absl::Status RevocationFetcher::Take(const std::string& url,
                                     const std::string& content) {
  SP_ASSIGN_OR_RETURN(const std::shared_ptr<const ParsedCrl> list,
                      ReadFetchedList(content));
  const std::string sha256 = HexEncode(Sha256(AsBytes(list->der)));
  std::shared_ptr<const ParsedCrl> held;
  std::shared_ptr<const std::vector<ListAuthority>> authorities;
  {
    absl::MutexLock lock(&mutex_);
    authorities = authorities_;
    if (const auto it = held_.find(url); it != held_.end()) {
      held = it->second.list;
      if (it->second.sha256 == sha256) {
        return CheckReplaces(*list, nullptr, ledger_.clock().Now());
      }
    }
  }
  SP_RETURN_IF_ERROR(SignerOfList(*list, *authorities).status());
  SP_RETURN_IF_ERROR(CheckReplaces(*list, held.get(), ledger_.clock().Now()));
  StoreChange change;
  change.put_fetched_lists.push_back(
      {url, list->der, sha256, ledger_.clock().Now()});
  change.audit.push_back(
      {"REVOCATION_LIST_FETCHED", kActor, url,
       absl::StrCat("sha256=", sha256, " entries=", list->entries.size())});
  // Its publication makes it held.
  return ledger_.Apply(change);
}

absl::StatusOr<std::vector<ListAuthority>> RevocationFetcher::AuthoritiesOf(
    const TrustBundle& bundle, CertificateList& all) {
  std::map<std::string, ListAuthority> by_der;
  const auto add = [&](const std::shared_ptr<const ParsedCertificate>& one,
                       const std::string& tenant) {
    ListAuthority& authority = by_der[one->der];
    authority.certificate = one;
    authority.tenants.insert(tenant);
  };
  const absl::Time now = ledger_.clock().Now();
  for (const auto& [store, certificates] : bundle.stores) {
    const std::string tenant = TenantOfStore(store);
    for (const std::string& der : certificates) {
      auto parsed = ParseWholeCertificate(AsBytes(der));
      if (!parsed.ok()) continue;
      all.push_back(*parsed);
      add(*parsed, tenant);
    }
    SP_ASSIGN_OR_RETURN(const std::vector<PeerChain> chains,
                        ledger_.store().ListPeerChains(store));
    for (const PeerChain& chain : chains) {
      for (const std::string& der : chain.chain) {
        auto parsed = ParseWholeCertificate(AsBytes(der));
        if (parsed.ok()) all.push_back(*std::move(parsed));
      }
      for (const auto& one : AuthoritiesIn(chain.chain, certificates, now)) {
        add(one, tenant);
      }
    }
  }
  std::vector<ListAuthority> out;
  for (auto& [der, authority] : by_der) out.push_back(std::move(authority));
  return out;
}

void RevocationFetcher::Learn(const CertificateList& all,
                              const std::map<std::string, Held>& held) {
  std::set<std::string> named;
  if (options_.follow_certificates) {
    for (const auto& certificate : all) {
      for (std::string& url : ListUrlsOf(*certificate)) {
        named.insert(std::move(url));
      }
    }
  }
  absl::MutexLock lock(&mutex_);
  for (const auto& [url, one] : held) {
    if (!entries_.contains(url) && !named.contains(url)) continue;
    for (std::string& delta : DeltaUrlsOf(*one.list)) {
      named.insert(std::move(delta));
    }
  }
  for (auto it = entries_.begin(); it != entries_.end();) {
    const bool stays = it->second.source.configured || it->second.in_flight ||
                       named.contains(it->first);
    it = stays ? std::next(it) : entries_.erase(it);
  }
  for (const std::string& url : named) {
    if (entries_.size() >= kMaxSources) break;
    entries_[url].source.url = url;
  }
  // Perhaps somebody is trusted now who was not.
  for (auto& [url, entry] : entries_) {
    if (absl::IsPermissionDenied(entry.source.status)) {
      entry.source.next_attempt = absl::InfinitePast();
    }
  }
}

absl::Status RevocationFetcher::AddTo(TrustBundle& bundle) {
  CertificateList all;
  SP_ASSIGN_OR_RETURN(std::vector<ListAuthority> found,
                      AuthoritiesOf(bundle, all));
  const auto authorities =
      std::make_shared<const std::vector<ListAuthority>>(std::move(found));
  SP_ASSIGN_OR_RETURN(const std::vector<FetchedList> stored,
                      ledger_.store().ListFetchedLists());
  std::map<std::string, Held> held;
  {
    absl::MutexLock lock(&mutex_);
    authorities_ = authorities;
    held = held_;
  }
  std::map<std::string, Held> next;
  for (const FetchedList& one : stored) {
    const auto before = held.find(one.url);
    if (before != held.end() && before->second.sha256 == one.sha256) {
      next.insert(*before);
      continue;
    }
    SP_ASSIGN_OR_RETURN(const std::optional<FetchedList> whole,
                        ledger_.store().GetFetchedList(one.url));
    if (!whole.has_value()) continue;
    auto parsed = ReadFetchedList(whole->der);
    if (parsed.ok()) next[one.url] = {whole->sha256, *std::move(parsed)};
  }

  Learn(all, next);

  size_t room = kMaxEntries;
  std::vector<std::shared_ptr<const ParsedCrl>> lists;
  for (const auto& [url, one] : next) lists.push_back(one.list);
  std::set<const ParsedCrl*> combined;
  absl::MutexLock lock(&mutex_);
  held_ = next;
  for (const auto& [url, one] : held_) {
    const auto entry = entries_.find(url);
    // What is named no more is not told any more.
    if (entry == entries_.end()) continue;
    RevocationSource& source = entry->second.source;
    source.held = true;
    source.this_update = one.list->this_update;
    source.next_update = one.list->next_update.value_or(absl::InfinitePast());
    source.entries = one.list->entries.size();
    source.told = 0;
    source.told_status = absl::OkStatus();
    if (one.list->issuer_der == options_.own_issuer_der) continue;
    const auto signer = SignerOfList(*one.list, *authorities);
    if (!signer.ok()) {
      source.told_status = signer.status();
      continue;
    }
    const ParsedCrl* const delta = NewestDelta(*one.list, **signer, lists);
    auto serials = SerialsToTell(*one.list, delta, **signer, *authorities,
                                 std::min(room, kMaxEntriesOfOne));
    if (!serials.ok()) {
      source.told_status = serials.status();
      continue;
    }
    if (delta != nullptr) combined.insert(delta);
    source.told = serials->size();
    room -= serials->size();
    for (RevokedSerial& serial : *serials) {
      std::string key = absl::StrCat("~", serial.crl_issuer_der,
                                     serial.issuer_der, serial.serial);
      bundle.revoked.emplace(std::move(key), std::move(serial));
    }
    // Of several lists the newest counts.
    const auto cover = [](const RevocationCoverage& told,
                          RevocationCoverage& coverage) {
      coverage.leaf_until = std::max(coverage.leaf_until, told.leaf_until);
      coverage.authority_until =
          std::max(coverage.authority_until, told.authority_until);
    };
    cover(CoverageOf(*one.list), bundle.coverage[one.list->issuer_der]);
    for (const ListAuthority* const issuer :
         IssuersOfIndirect(*one.list, **signer, *authorities)) {
      cover(IndirectCoverageOf(*one.list, **signer),
            bundle.indirect_coverage[{issuer->certificate->subject_der,
                                      one.list->issuer_der}]);
    }
  }
  for (auto& [url, entry] : entries_) {
    const auto it = held_.find(url);
    if (it == held_.end() || !combined.contains(it->second.list.get()))
      continue;
    // Told with its base.
    entry.source.told_status = absl::OkStatus();
    entry.source.told = it->second.list->entries.size();
  }
  return absl::OkStatus();
}

}  // namespace sallyport::capf
