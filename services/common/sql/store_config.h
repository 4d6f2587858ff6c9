// The `store` part of a service's configuration.

#ifndef SALLYPORT_SERVICES_COMMON_SQL_STORE_CONFIG_H_
#define SALLYPORT_SERVICES_COMMON_SQL_STORE_CONFIG_H_

#include <string_view>

#include "sallyport/common/config/v1/store_config.pb.h"
#include "services/common/config/config_faults.h"
#include "services/common/sql/sql_database.h"

namespace sallyport {

// Adds every fault of `config`, whose path in the whole is `field` ("store").
// Looks at no file and no server. Pure.
void CheckStoreConfig(std::string_view field,
                      const common::config::v1::StoreConfig& config,
                      ConfigFaults* faults);

// What SqlDatabase::Open takes, of a configuration without faults.
SqlOptions SqlOptionsOf(const common::config::v1::StoreConfig& config);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SQL_STORE_CONFIG_H_
