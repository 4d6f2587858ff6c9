// The port where anybody fetches our revocation lists (RFC 5280 section
// 4.2.1.13, RFC 2585).

#ifndef SALLYPORT_SERVICES_CAPF_IO_REVOCATION_LIST_SERVER_H_
#define SALLYPORT_SERVICES_CAPF_IO_REVOCATION_LIST_SERVER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/capf/io/authorities.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/metrics_table.h"
#include "services/common/metrics/metrics.h"
#include "services/common/metrics/metrics_http.h"
#include "services/common/random/random_source.h"
#include "services/common/rate_limit/gcra.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"

namespace sallyport::capf {

// Which list a file name asks for. A value.
struct ListRequest {
  std::string authority;
  int64_t generation = 0;
  bool delta = false;

  bool operator==(const ListRequest&) const = default;
};
// Of a ListFileName(); nullopt for any other.
std::optional<ListRequest> ParseListFileName(std::string_view name);

// Whether an If-None-Match field holds the tag, or any (RFC 9110 section
// 13.1.2).
bool HoldsEntityTag(std::string_view field, std::string_view tag);

// Gives each key's complete list and delta list as signed, for whoever asks.
// One address may ask 50 times a second, after 500 at once. Caches may keep an
// answer for five minutes, and not beyond the list's next update; then they ask
// by its entity tag, which is its SHA-256. While the store or the key is out of
// reach the last list is given until its next update. Thread-safe.
class RevocationListServer {
 public:
  struct Options {
    std::string address;      // "host:port"
    std::string path;         // what the files lie below; empty or "/...",
                              // without a slash at the end
    absl::Duration lifetime;  // of complete lists
    GcraLimit per_source = GcraLimit::PerSecond(50, 500);
  };

  // The others must outlive this object.
  static absl::StatusOr<std::unique_ptr<RevocationListServer>> Start(
      Options options, Authorities& authorities, const Clock& clock,
      RandomSource& random, MetricsRegistry& metrics);

  int port() const { return http_->port(); }

 private:
  struct Held {
    std::shared_ptr<const SignedRevocationList> list;
    std::string tag;
    MonoTime looked_at;  // that it is still the newest
  };

  RevocationListServer(Options options, Authorities& authorities,
                       const Clock& clock, RandomSource& random,
                       MetricsRegistry& metrics)
      : options_(std::move(options)),
        authorities_(authorities),
        clock_(clock),
        requests_total_(metrics.Counter(kCapfCrlHttpRequestsTotal)),
        sources_(options_.per_source, kSources, random) {}

  // On the port's threads.
  std::optional<HttpAnswer> Answer(const HttpRequest& request);
  std::optional<HttpAnswer> Find(const HttpRequest& request);
  absl::StatusOr<Held> Get(const std::string& name, const ListRequest& request)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<SignedRevocationList> Sign(const ListRequest& request);

  // Sources whose rate is remembered.
  static constexpr size_t kSources = 65536;

  const Options options_;
  Authorities& authorities_;
  const Clock& clock_;
  CounterFamily requests_total_;
  GcraTable sources_;
  absl::Mutex mutex_;
  // By file name; of keys that there are, so it stays small.
  std::map<std::string, Held> held_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<MetricsHttp> http_;  // last, as it ends first
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_REVOCATION_LIST_SERVER_H_
