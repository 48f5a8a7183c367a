-- The shop's own tables. The library brings the table of keys. Carts of one shop differ by their names' bytes.
create table if not exists reservation (
    shop     varchar(255) not null,
    cart     varchar(100) not null,
    held_by  varchar(36)  not null,
    payment  varchar(255),
    primary key (shop, cart)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_0900_bin;

create table if not exists reservation_tax_line (
    shop     varchar(255) not null,
    cart     varchar(100) not null,
    position integer      not null,
    sku      varchar(64)  not null,
    quantity integer      not null,
    net      bigint       not null,
    tax      bigint       not null,
    primary key (shop, cart, position),
    foreign key (shop, cart) references reservation (shop, cart)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_0900_bin;

-- Neither the cart nor the id is unique, so that a second order would show.
create table if not exists customer_order (
    number   bigint       auto_increment primary key,
    id       varchar(36)  not null,
    shop     varchar(255) not null,
    cart     varchar(100) not null,
    email    varchar(600) not null,
    total    bigint       not null,
    payment  varchar(255) not null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_0900_bin;

-- The id isn't unique, so that a second review would show.
create table if not exists review (
    number   bigint       auto_increment primary key,
    id       varchar(36)   not null,
    shop     varchar(255) not null,
    sku      varchar(64)   not null,
    stars    bigint        not null,
    content  varchar(1000) not null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_0900_bin;
