#include "services/common/sql/store_config.h"

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/proto_time.h"
#include "services/common/config/server_config.h"

namespace sallyport {
namespace {

using common::config::v1::PostgresConfig;
using common::config::v1::StoreConfig;

constexpr uint32_t kMaxPool = 64;

void CheckPostgres(const std::string& field, const PostgresConfig& config,
                   ConfigFaults* faults) {
  if (config.connection().empty()) {
    faults->Require(field + ".connection", config.connection());
  } else if (const std::string fault = PostgresFault(config.connection());
             !fault.empty()) {
    faults->Add(field + ".connection", fault);
  }
  if (config.pool_size() > kMaxPool) {
    faults->Add(field + ".pool_size",
                absl::StrCat("must be at most ", kMaxPool));
  }
  CheckDuration(field + ".timeout", config.timeout(), faults);
  if (FromProto(config.timeout()) > absl::Minutes(5)) {
    faults->Add(field + ".timeout", "must be at most 5 minutes");
  }
}

}  // namespace

void CheckStoreConfig(std::string_view field, const StoreConfig& config,
                      ConfigFaults* faults) {
  const std::string path(field);
  switch (config.kind_case()) {
    case StoreConfig::kSqliteFile:
      faults->Require(path + ".sqlite_file", config.sqlite_file());
      if (config.sqlite_file().find('"') != std::string::npos) {
        faults->Add(path + ".sqlite_file", "must not hold a quotation mark");
      }
      break;
    case StoreConfig::kPostgres:
      CheckPostgres(path + ".postgres", config.postgres(), faults);
      break;
    case StoreConfig::KIND_NOT_SET:
      faults->Add(path, "needs sqlite_file or postgres");
      break;
  }
}

SqlOptions SqlOptionsOf(const StoreConfig& config) {
  if (!config.has_postgres()) return SqliteOptions{config.sqlite_file()};
  PostgresOptions out;
  out.connection = config.postgres().connection();
  out.password_file = config.postgres().password_file();
  if (config.postgres().pool_size() > 0) {
    out.pool_size = config.postgres().pool_size();
  }
  out.timeout = FromProtoOr(config.postgres().timeout(), out.timeout);
  return out;
}

}  // namespace sallyport
