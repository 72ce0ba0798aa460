mod bounds;
mod counted;
mod noise;
mod recorded;
mod verdict;
