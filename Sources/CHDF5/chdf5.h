// HDF5 spells its constants as macros that Swift cannot import: each gets a name here. No logic, no state.
#ifndef CHDF5_H
#define CHDF5_H

// Structures and functions of 1.10 under every later version of the library.
#define H5_USE_110_API
#include <hdf5.h>

static inline hid_t chdf5_p_default(void) { return H5P_DEFAULT; }
static inline hid_t chdf5_p_file_access(void) { return H5P_FILE_ACCESS; }
static inline hid_t chdf5_p_file_create(void) { return H5P_FILE_CREATE; }
static inline hid_t chdf5_p_group_create(void) { return H5P_GROUP_CREATE; }
static inline hid_t chdf5_p_dataset_create(void) { return H5P_DATASET_CREATE; }

static inline unsigned chdf5_f_read_only(void) { return H5F_ACC_RDONLY; }
static inline unsigned chdf5_f_truncate(void) { return H5F_ACC_TRUNC; }

static inline hid_t chdf5_s_all(void) { return H5S_ALL; }
static inline hid_t chdf5_e_default(void) { return H5E_DEFAULT; }
static inline haddr_t chdf5_address_undefined(void) { return HADDR_UNDEF; }

static inline hid_t chdf5_t_f32(void) { return H5T_IEEE_F32LE; }
static inline hid_t chdf5_t_f64(void) { return H5T_IEEE_F64LE; }
static inline hid_t chdf5_t_i8(void) { return H5T_STD_I8LE; }
static inline hid_t chdf5_t_i16(void) { return H5T_STD_I16LE; }
static inline hid_t chdf5_t_i32(void) { return H5T_STD_I32LE; }
static inline hid_t chdf5_t_i64(void) { return H5T_STD_I64LE; }
static inline hid_t chdf5_t_u8(void) { return H5T_STD_U8LE; }
static inline hid_t chdf5_t_u16(void) { return H5T_STD_U16LE; }
static inline hid_t chdf5_t_u32(void) { return H5T_STD_U32LE; }
static inline hid_t chdf5_t_u64(void) { return H5T_STD_U64LE; }
static inline hid_t chdf5_t_c_string(void) { return H5T_C_S1; }

// `H5Lget_info` is a macro from 1.12 on.
static inline herr_t chdf5_l_get_info(hid_t location, const char *name, H5L_info_t *info) {
  return H5Lget_info(location, name, info, H5P_DEFAULT);
}

// So is `H5Literate`: one walk over the links of a group, in the order of their names.
static inline herr_t chdf5_l_iterate(hid_t group, H5L_iterate_t body, void *data) {
  return H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, body, data);
}

#endif
