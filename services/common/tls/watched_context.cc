#include "services/common/tls/watched_context.h"

#include <cstddef>
#include <utility>

#include "services/common/files/secret_file.h"
#include "services/common/log/log.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

constexpr size_t kMaxFile = 16 << 20;

}  // namespace

WatchedTlsContext::WatchedTlsContext(const std::string& name,
                                     const Files& files,
                                     MakeOptions make_options)
    : name_(name), files_(files), make_options_(std::move(make_options)) {}

absl::StatusOr<std::unique_ptr<WatchedTlsContext>> WatchedTlsContext::Create(
    const std::string& name, const Files& files, MakeOptions make_options,
    absl::Duration refresh) {
  std::unique_ptr<WatchedTlsContext> out(
      new WatchedTlsContext(name, files, std::move(make_options)));
  out->seen_ = out->Digest();
  SP_ASSIGN_OR_RETURN(std::shared_ptr<const TlsContext> first, out->Load());
  {
    const absl::MutexLock lock(&out->mutex_);
    out->current_ = std::move(first);
  }
  out->thread_ = std::thread([o = out.get(), refresh] { o->Watch(refresh); });
  return out;
}

WatchedTlsContext::~WatchedTlsContext() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<const TlsContext> WatchedTlsContext::current() const {
  const absl::MutexLock lock(&mutex_);
  return current_;
}

absl::StatusOr<std::shared_ptr<const TlsContext>> WatchedTlsContext::Load() {
  TlsContextOptions options = make_options_();
  options.generation = ++generation_;
  return TlsContext::CreateFromFiles(files_.certificate, files_.key,
                                     files_.trust, std::move(options));
}

std::string WatchedTlsContext::Digest() const {
  return DigestOfSecretFiles({files_.certificate, files_.key, files_.trust},
                             kMaxFile);
}

void WatchedTlsContext::Watch(absl::Duration refresh) {
  for (;;) {
    {
      const absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), refresh)) return;
    }
    std::string digest = Digest();
    if (digest == seen_) continue;
    seen_ = std::move(digest);
    absl::StatusOr<std::shared_ptr<const TlsContext>> changed = Load();
    if (!changed.ok()) {
      LogWarning("changed TLS files cannot be used; the old ones stay",
                 {{"of", name_}, {"error", changed.status()}});
      continue;
    }
    LogInfo("changed TLS files are in force",
            {{"of", name_}, {"generation", (*changed)->generation()}});
    const absl::MutexLock lock(&mutex_);
    current_ = *std::move(changed);
  }
}

}  // namespace sallyport
