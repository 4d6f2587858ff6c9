// Fetches the revocation lists of other authorities and keeps them fresh.

#ifndef SALLYPORT_SERVICES_CAPF_IO_REVOCATION_FETCHER_H_
#define SALLYPORT_SERVICES_CAPF_IO_REVOCATION_FETCHER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/capf/core/foreign_list.h"
#include "services/capf/core/trust_bundle.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/work_thread.h"
#include "services/common/pki/parsed_crl.h"
#include "services/common/random/random_source.h"

namespace sallyport::capf {

// What is known of one list. A value.
struct RevocationSource {
  std::string url;
  bool configured = false;  // else named by a certificate
  // Of the last attempt: as HttpGet(), ReadFetchedList(), SignerOfList() and
  // CheckReplaces().
  absl::Status status;
  // Why the serials of the list at hand are not told: as SignerOfList() and
  // SerialsToTell().
  absl::Status told_status;
  bool held = false;  // a list is at hand, perhaps of before
  absl::Time this_update = absl::InfinitePast();
  absl::Time next_update = absl::InfinitePast();
  size_t entries = 0;
  size_t told = 0;  // of these, to consumers
  absl::Time last_attempt = absl::InfinitePast();
  absl::Time next_attempt = absl::InfinitePast();
  int failures = 0;  // since the last success
};

// Lists lie in the store, so every replica has what one fetched, and a start
// has what was there before. Nobody waits for a server: those who ask get what
// is held, and a server that is slow, or says nonsense, delays the few that
// share its thread by the timeout at most. A list that is not signed by an
// authority in a trust store, or is older than the one held, is not taken.
// Thread-safe.
class RevocationFetcher {
 public:
  struct Options {
    std::vector<std::string> urls;  // always; good as ParseHttpUrl() says
    // Also what trusted certificates, and chains of imported peers, name.
    // Delta lists that a list names are always asked for.
    bool follow_certificates = false;
    // Between two looks at a list; sooner when its next update is due.
    absl::Duration refresh_interval = absl::Hours(1);
    absl::Duration timeout = absl::Seconds(10);
    size_t max_bytes = size_t{4} << 20;
    // Named by certificates; those of the configuration may be anywhere.
    bool allow_private = false;
    std::string ca_file;  // PEM, of servers asked by https
    // Whose own serials are pushed by other means: the issuer's name, DER.
    std::string own_issuer_der;
  };

  // `ledger` and `random` must outlive this object.
  RevocationFetcher(Options options, Ledger& ledger, RandomSource& random);
  ~RevocationFetcher();

  // Begins to fetch; to be called after the first AddTo(), which learns whom to
  // believe.
  void Start();

  // Adds to `bundle`, as read from the store, the serials of the lists in the
  // store, and learns from its certificates whom to believe and where lists
  // lie. What is not readable now is left out.
  absl::Status AddTo(TrustBundle& bundle) ABSL_LOCKS_EXCLUDED(mutex_);

  // All lists at hand.
  std::vector<std::shared_ptr<const ParsedCrl>> lists() const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // In order of URL.
  std::vector<RevocationSource> sources() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends all fetching; to be called before the ledger stops.
  void Stop();

 private:
  struct Held {
    std::string sha256;
    std::shared_ptr<const ParsedCrl> list;
  };
  struct Entry {
    RevocationSource source;
    bool in_flight = false;
  };

  void Run();
  // On a worker.
  void Fetch(const std::string& url, bool allow_private);
  absl::Status Take(const std::string& url, const std::string& content);
  void Learn(const std::vector<std::shared_ptr<const ParsedCertificate>>& all,
             const std::map<std::string, Held>& held);
  absl::StatusOr<std::vector<ListAuthority>> AuthoritiesOf(
      const TrustBundle& bundle,
      std::vector<std::shared_ptr<const ParsedCertificate>>& all);

  const Options options_;
  Ledger& ledger_;
  RandomSource& random_;
  std::atomic<bool> stop_ = false;
  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);  // by URL
  std::map<std::string, Held> held_ ABSL_GUARDED_BY(mutex_);      // by URL
  std::shared_ptr<const std::vector<ListAuthority>> authorities_
      ABSL_GUARDED_BY(mutex_) =
          std::make_shared<const std::vector<ListAuthority>>();
  WorkThreads workers_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_REVOCATION_FETCHER_H_
